"""What a decoding thread does: from a picture's file to the crops of its faces, placed into slots.

A picture that cannot be read, for whatever reason, becomes a `Failure` and the run goes on.
"""

from collections.abc import Callable
from time import perf_counter
from typing import Final

from efgan_rt.images import checked_header, decode_original, read_bytes, to_crop
from efgan_rt.pipeline.budget import Share
from efgan_rt.pipeline.channel import AbortError
from efgan_rt.pipeline.files import PictureJob
from efgan_rt.pipeline.items import Item
from efgan_rt.pipeline.outcome import PictureResult, Status, reason_of
from efgan_rt.pipeline.resume import confirmed_digest
from efgan_rt.pipeline.stages import DECODE, WAIT_MEMORY
from efgan_rt.pipeline.views import PictureView, view_of_done
from efgan_rt.pipeline.watchdog import GivenUpError
from efgan_rt.pipeline.workers import Workshop

# What a picture takes in flight, in pictures: itself, and in an encoder its edit, another for each
# further shot of an animation, and the copy that the codec takes.
COPIES: Final = 2
CHANNELS: Final = 3  # as long as only the header is known


def decode_pictures(shop: Workshop, replace: Callable[[], None]) -> None:
    """Reads the pictures that need something, and places their crops, until none is left.

    Args:
        shop: what the threads share.
        replace: starts another thread in this one's place, once this one has been given up.
    """
    while True:
        share = shop.budget.enter()
        job = shop.source.take()
        if job is None:
            share.give_back()
            return
        if (item := _decoded(shop, job, share, replace)) is not None:
            shop.ring.place(item)


def _decoded(
    shop: Workshop, job: PictureJob, share: Share, replace: Callable[[], None]
) -> Item | None:
    """The picture ready for the slots; None for one that has been dealt with."""

    def give_up(reason: str) -> None:
        share.give_back()
        shop.tally.fail(job.source, reason)
        replace()

    what = f"{job.source}: decoding"
    copies = COPIES + max(len(product.shots) for product in shop.products)
    view: PictureView | None = None
    started = perf_counter()
    try:
        with shop.watchdog.over(what, give_up):
            work = shop.inspector.inspect(job)
            if work.is_done:
                if shop.views:
                    view = view_of_done(job, shop.crop_px, shop.options.max_pixels)
            else:
                data = read_bytes(job.source)
                header = checked_header(data, job.source, max_pixels=shop.options.max_pixels)
        if work.is_done:
            share.give_back()
            done = PictureResult(job.source, Status.ALREADY, job.outputs, view=view)
            shop.tally.finish_picture(done, written=0)
            return None
        # Not watched, for it is no work of this picture's that is waited for.
        waited_s = share.take(header.width * header.height * CHANNELS * copies)
        with shop.watchdog.over(what, give_up):
            original = decode_original(data, job.source, header=header)
            crop = to_crop(original.pixels, shop.crop_px)
            digest = confirmed_digest(job.source, work, data)
    except (GivenUpError, AbortError):
        raise
    except Exception as error:
        share.give_back()
        shop.tally.fail(job.source, reason_of(job.source, error))
        return None
    seconds = {DECODE: perf_counter() - started - waited_s}
    if waited_s:
        seconds[WAIT_MEMORY] = waited_s
    item = Item(job, original, work, digest, (crop,), shop.products, share, seconds)
    share.correct(original.nbytes * copies + item.nbytes)
    return item
