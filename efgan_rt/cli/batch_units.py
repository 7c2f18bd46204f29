"""Action units that a command reads beforehand: of reference faces, and of the pictures to edit."""

from pathlib import Path

import numpy as np

from efgan_rt.cli.console import remark
from efgan_rt.editing import OpenedSet
from efgan_rt.families.properties import Properties
from efgan_rt.pipeline.files import Plan
from efgan_rt.requests.faces import Faces
from efgan_rt.requests.known_units import KnownUnits, read_known_units
from efgan_rt.requests.reference import crop_of_picture
from engines.arrays import Array
from engines.program import Output


def read_reference(path: Path, output: Output, faces: Faces, opened_set: OpenedSet) -> Array:
    """What a network of the set says of a reference picture's face."""
    crop = crop_of_picture(path, faces.finding.new_framer(), remark)
    row: Array = opened_set.read(crop[np.newaxis], output)[0]
    return row


def known_units(path: Path | None, properties: Properties, plan: Plan) -> KnownUnits | None:
    """What `--aus` knows of the plan's pictures."""
    if path is None:
        return None
    pictures = [str(plan.below(job.source)) for job in plan.jobs()]
    known = read_known_units(path, properties.au_names, pictures)
    for sentence in known.remarks:
        remark(sentence)
    return known
