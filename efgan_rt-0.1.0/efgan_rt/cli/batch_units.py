"""Action units that a command reads beforehand: of reference faces, and of the pictures to edit."""

from pathlib import Path

from efgan_rt.action_units import FloatArray
from efgan_rt.cascade import CascadeEngines
from efgan_rt.cascade_properties import CascadeProperties
from efgan_rt.cli.batch_faces import Faces
from efgan_rt.cli.console import remark
from efgan_rt.pipeline.files import Plan
from efgan_rt.requests.known_units import KnownUnits, read_known_units
from efgan_rt.requests.reference import units_of_picture


def units_of(path: Path, faces: Faces, cascade: CascadeEngines) -> FloatArray:
    """A reference picture's action units, as the engine set's own estimator reads them."""
    framer = faces.finding.new_framer()
    return units_of_picture(path, framer, cascade.estimate, cascade.au_names, remark)


def known_units(path: Path | None, properties: CascadeProperties, plan: Plan) -> KnownUnits | None:
    """What `--aus` knows of the plan's pictures."""
    if path is None:
        return None
    root = plan.root
    pictures = [job.source.relative_to(root).as_posix() for job in plan.jobs()]
    known = read_known_units(path, properties.au_names, pictures)
    for sentence in known.remarks:
        remark(sentence)
    return known
