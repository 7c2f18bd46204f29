"""What `efgan-rt batch` says of its pictures before and while it edits them."""

from collections import Counter
from collections.abc import Callable, Iterator

from efgan_rt.choices import NoFace
from efgan_rt.cli.console import print_text, remark
from efgan_rt.counting import counted
from efgan_rt.pictures.header import FORMAT_OF
from efgan_rt.pictures.mark import UNMARKABLE_FORMATS
from efgan_rt.pipeline.faces import FaceFinding
from efgan_rt.pipeline.files import PictureJob, PlanCount
from efgan_rt.pipeline.resume import Inspector, Need, OutputRecords


def list_work(
    jobs: Iterator[PictureJob], journal: OutputRecords | None, faces: FaceFinding, count: PlanCount
) -> None:
    """What a run would do, one line an output.

    Args:
        jobs: the pictures.
        journal: of the output folder; None where there is none yet.
        faces: how the run itself would find them, which is not done here.
        count: of the plan.
    """
    inspector = Inspector(journal, takes_copies=faces.no_face is NoFace.COPY)
    needs: Counter[Need] = Counter()
    for job in jobs:
        work = inspector.inspect(job)
        needs.update(work.needs)
        for need, output in zip(work.needs, job.outputs, strict=True):
            print_text(f"{need}: {job.source} -> {output}")
    outputs = ", ".join(f"{needs[need]:,} {need}" for need in Need if needs[need])
    remark(
        f"{counted(count.pictures, 'picture')}, {counted(count.skipped, 'other file')}; "
        f"outputs: {outputs}; "
        "nothing was written"
    )
    if faces.looks:
        remark("faces are looked for in the run itself, so some pictures may turn out to have none")


def warn_if_bmp(jobs: Iterator[PictureJob], say: Callable[[str], None]) -> Iterator[PictureJob]:
    """The jobs; says once if an output has no place for the mark of an edit by a network."""
    is_said = False
    for job in jobs:
        formats = (FORMAT_OF.get(output.suffix.lower()) for output in job.outputs)
        if not is_said and any(each in UNMARKABLE_FORMATS for each in formats):
            is_said = True
            say("note: BMP has no place for the mark that says that a network edited the picture")
        yield job
