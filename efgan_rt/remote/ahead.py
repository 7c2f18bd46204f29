"""Fetches the next pictures while earlier ones are edited, a bounded number ahead."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final

from efgan_rt.pipeline.files import PictureJob
from efgan_rt.remote.path import RemotePath

AHEAD: Final = 16  # a photograph of 5 MB each is 80 MB


def fetched_ahead(
    jobs: Iterator[PictureJob], is_done: Callable[[PictureJob], bool], ahead: int = AHEAD
) -> Iterator[PictureJob]:
    """The jobs in their order, with their pictures on the way.

    Args:
        jobs: of remote pictures.
        is_done: whether a picture needs nothing, so that it is not to be fetched.
        ahead: how many pictures, at most, are fetched or wait to be taken.
    """
    waiting: deque[PictureJob] = deque()
    pool = ThreadPoolExecutor(ahead, "efgan-fetch")
    try:
        for job in jobs:
            source = job.source
            if isinstance(source, RemotePath):
                source.coming = pool.submit(_fetched, source, job, is_done)
            waiting.append(job)
            if len(waiting) >= ahead:
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()
    except BaseException:  # nobody takes the rest
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown(wait=False)


def _fetched(
    source: RemotePath, job: PictureJob, is_done: Callable[[PictureJob], bool]
) -> tuple[bytes, str] | None:
    # Another path of that address: this one waits for what is returned here.
    asked = source.again()
    return None if is_done(replace(job, source=asked)) else asked.fetch()
