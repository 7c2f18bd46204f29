"""What a decoding thread does: from a picture's file to the crops of its faces, placed into slots.

A picture that cannot be read, or whose faces cannot be found, for whatever reason, becomes a
`Failure` and the run goes on.
"""

from collections.abc import Callable
from time import perf_counter
from typing import Final

import cv2

from efgan_rt.choices import NoFace
from efgan_rt.errors import EfganError
from efgan_rt.faces.framing import FaceFramer, Framed
from efgan_rt.pictures.original import Original
from efgan_rt.pictures.read import checked_header, decode_original, read_bytes
from efgan_rt.pipeline.budget import Share
from efgan_rt.pipeline.channel import AbortError
from efgan_rt.pipeline.faces import no_face_reason
from efgan_rt.pipeline.files import PictureJob
from efgan_rt.pipeline.items import Item
from efgan_rt.pipeline.outcome import PictureResult, Status, reason_of
from efgan_rt.pipeline.reserve import Reserve
from efgan_rt.pipeline.resume import confirmed_digest
from efgan_rt.pipeline.run_state import RunState
from efgan_rt.pipeline.stages import DECODE, DETECT, WAIT_MEMORY
from efgan_rt.pipeline.views import PictureView, view_of_done
from efgan_rt.pipeline.watchdog import GivenUpError

COPIES: Final = 3  # of a picture in flight: itself, its edit, and what the codec takes
CHANNELS: Final = 3  # as long as only the header is known


def decode_pictures(state: RunState, reserve: Reserve, replace: Callable[[], None]) -> None:
    """Reads the pictures that need something, and places their crops, until none is left.

    Args:
        state: what the threads share.
        reserve: the stage's threads.
        replace: starts another thread in this one's place, once this one has been given up.
    """
    decoder = _Decoder(state, replace)
    while True:
        reserve.wait()
        share = state.budget.enter()
        job = state.source.take()
        if job is None:
            share.give_back()
            decoder.close()
            reserve.end()
            return
        with reserve.at_work():
            item = decoder.decoded(job, share)
        if item is not None and item.framed:
            state.ring.place(item)
        elif item is not None:
            state.ready.put(item)


class _Decoder:
    """One decoding thread, with a face finder of its own."""

    def __init__(self, state: RunState, replace: Callable[[], None]) -> None:
        self._state = state
        self._replace = replace
        self._framer: FaceFramer | None = None
        self._frames = max(len(product.shots) for product in state.products) - 1

    def decoded(self, job: PictureJob, share: Share) -> Item | None:
        """The picture ready for the slots; None for one that has been dealt with."""
        state, options = self._state, self._state.options

        def give_up(reason: str) -> None:
            share.give_back()
            state.tally.fail(job.source, reason)
            self._replace()

        what = f"{job.source}: decoding"
        view: PictureView | None = None
        started = perf_counter()
        try:
            with state.watchdog.over(what, give_up):
                work = state.inspector.inspect(job)
                if work.is_done:
                    if state.views:
                        view = view_of_done(job, state.crop_px, options.max_pixels)
                else:
                    data = read_bytes(job.source)
                    header = checked_header(data, job.source, max_pixels=options.max_pixels)
            if work.is_done:
                share.give_back()
                done = PictureResult(job.source, Status.ALREADY, job.outputs, view=view)
                state.tally.finish_picture(done, written=0)
                return None
            # Not watched, for it is no work of this picture's that is waited for.
            waited_s = share.take(self._in_flight(header.width * header.height * CHANNELS))
            with state.watchdog.over(what, give_up):
                original = decode_original(data, job.source, header=header, jpeg=state.jpeg)
                seconds = {DECODE: perf_counter() - started - waited_s}
                framed = self._framed(job, original, seconds)
                digest = confirmed_digest(job.source, work, data)
        except (GivenUpError, AbortError):
            raise
        except Exception as error:
            share.give_back()
            state.tally.fail(job.source, reason_of(job.source, error))
            return None
        if not framed and state.faces.no_face is not NoFace.COPY:
            share.give_back()
            self._pass_over(job)
            return None
        if waited_s:
            seconds[WAIT_MEMORY] = waited_s
        item = Item(job, original, work, digest, framed, state.products, share, seconds)
        if not framed or job.rules:
            item.copied = data
        share.correct(self._in_flight(original.nbytes) + item.nbytes)
        return item

    def _in_flight(self, nbytes: int) -> int:
        """What a picture of so many bytes takes of the budget."""
        # A frame of an animation is made smaller before it is kept; the codec copies it.
        frame = min(nbytes, CHANNELS * self._state.options.playback.largest_px**2)
        return COPIES * nbytes + 2 * self._frames * frame

    def _framed(
        self, job: PictureJob, original: Original, seconds: dict[str, float]
    ) -> tuple[Framed, ...]:
        """The picture's faces; the time to find them is noted.

        Raises:
            EfganError: a face's points are none, or the detector fails.
        """
        started = perf_counter()
        faces = self._state.faces
        try:
            if self._framer is None:
                self._framer = faces.new_framer()
                self._see_on_device(self._framer)
            return self._framer.frame(original.pixels, keeps=True)
        except EfganError as error:
            raise EfganError(f"{job.source}: {error}") from error
        except cv2.error as error:
            self._framer = None  # what it was in the middle of is not to be trusted
            # Not `error.err`: OpenCV keeps that on the class, where the next failure finds it.
            said = " ".join(str(error).rpartition("error: ")[2].split())
            raise EfganError(f"{job.source}: the face detector failed: {said}") from error
        finally:
            stage = DETECT if faces.looks else DECODE
            seconds[stage] = seconds.get(stage, 0.0) + perf_counter() - started

    def _see_on_device(self, framer: FaceFramer) -> None:
        """Has photographs looked at on a GPU where they are edited there."""
        canvases = self._state.canvases
        if canvases is not None and self._state.faces.looks:
            canvases.show_to(framer)

    def close(self) -> None:
        """Gives back what the thread holds on a GPU."""
        if self._framer is not None:
            self._framer.close()

    def _pass_over(self, job: PictureJob) -> None:
        """Counts a picture without a face."""
        faces, tally = self._state.faces, self._state.tally
        if faces.no_face is NoFace.SKIP:
            tally.finish_picture(PictureResult(job.source, Status.SKIPPED, ()), written=0)
        else:
            smaller_px = None if self._framer is None else self._framer.smaller_px
            tally.fail(job.source, no_face_reason(job.source, faces.choice, smaller_px))
