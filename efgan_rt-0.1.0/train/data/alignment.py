"""The alignment template that a training set brings along, for the checkpoint.

`prepare` writes `template.json` beside `labels.csv`. A training copies it into its checkpoint as it
is, so that whoever crops a face for the model frames it as the training crops were framed.
"""

from pathlib import Path
from typing import Any

from efgan_rt.faces.template import NAME, read_template


def alignment_beside(labels: Path) -> dict[str, Any] | None:
    """The template in the label table's folder as plain values; None where there is none.

    Raises:
        EfganError: there is a file of that name that is no template.
    """
    path = labels.with_name(NAME)
    return read_template(path).to_dict() if path.is_file() else None
