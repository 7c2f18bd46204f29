"""What the threads of a run share: its options, its jobs, and the places where they meet."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Unpack

from efgan_rt.choices import JpegCodec
from efgan_rt.faces.motion_paste import MotionPaste, Move
from efgan_rt.pictures.animation import Playback
from efgan_rt.pictures.device_jpeg import NvidiaJpeg
from efgan_rt.pictures.header import FORMAT_OF
from efgan_rt.pictures.read import MAX_PIXELS
from efgan_rt.pipeline.budget import DEFAULT_BYTES, Budget
from efgan_rt.pipeline.channel import Channel
from efgan_rt.pipeline.faces import FaceFinding
from efgan_rt.pipeline.files import PictureJob
from efgan_rt.pipeline.items import Item
from efgan_rt.pipeline.outcome import Tally
from efgan_rt.pipeline.parts import Making, Staged
from efgan_rt.pipeline.publish import StagedPicture
from efgan_rt.pipeline.resume import Work
from efgan_rt.pipeline.slots import SlotRing
from efgan_rt.pipeline.watchdog import DEFAULT_TIMEOUT_S, Watchdog
from efgan_rt.shots import Product

if TYPE_CHECKING:
    from efgan_rt.faces.device_canvas import DeviceCanvases


@dataclass(frozen=True)
class BatchOptions:
    """How a run treats its files.

    Attributes:
        workers: decoding threads, and as many encoding threads.
        quality: of JPEG and WebP files, 1 to 100; None for that of the picture, if it is a JPEG.
        overwrite: whether a file that is not ours is replaced.
        fail_fast: whether the first failure ends the run.
        max_pixels: the largest picture accepted.
        timeout_s: what one picture, or one batch in the networks, may take.
        memory_bytes: what the pictures in flight may take together.
        playback: of animations.
        mark: whether what was edited says so in its metadata.
        sidecars: whether files beside a picture that speak of it are copied beside its edit.
        keep_times: whether outputs get the times of their inputs.
        jpeg_codec: what decodes and encodes JPEGs.
    """

    workers: int = 2
    quality: int | None = None
    overwrite: bool = False
    fail_fast: bool = False
    max_pixels: int = MAX_PIXELS
    timeout_s: float = DEFAULT_TIMEOUT_S
    memory_bytes: int = DEFAULT_BYTES
    playback: Playback = field(default_factory=Playback)
    mark: bool = True
    sidecars: bool = False
    keep_times: bool = False
    jpeg_codec: JpegCodec = JpegCodec.LIBJPEG


class Inspecting(Protocol):
    """Knows what is left to do for a picture; `efgan_rt.pipeline.resume.Inspector` is one."""

    def inspect(self, job: PictureJob) -> Work:
        """What a picture needs."""
        ...


class Publishing(Protocol):
    """Takes outputs; `efgan_rt.pipeline.publish.Publisher` is one."""

    def stage(self, path: Path, data: bytes | memoryview, **made: Unpack[Making]) -> Staged:
        """Writes an output under a temporary name."""
        ...

    def publish(self, *pictures: StagedPicture) -> None:
        """Hands in pictures whose outputs are staged."""
        ...


@dataclass(frozen=True)
class Desk:
    """Where a run learns what is to be made, and hands in what it has made."""

    inspector: Inspecting
    publisher: Publishing


class JobSource:
    """Hands out jobs to the decoders, one at a time, until they run out or the run is stopped.

    Attributes:
        on_idle: called when the jobs say that the next one is not known yet, with None.
    """

    def __init__(self, jobs: Iterator[PictureJob | None]) -> None:
        self.on_idle: Callable[[], None] = lambda: None
        self._jobs = jobs
        self._lock = threading.Lock()
        self._stopped = False

    def take(self) -> PictureJob | None:
        """The next job, or None when there is none left."""
        with self._lock:
            while not self._stopped:
                try:
                    job = next(self._jobs)
                except StopIteration:
                    return None
                if job is not None:
                    return job
                self.on_idle()
        return None

    def stop(self) -> None:
        """Has every later `take` give None; needs no lock, so a signal's handler may call it."""
        self._stopped = True


@dataclass(frozen=True)
class RunState:
    """What the threads of a run share; each of them is safe for any thread.

    Attributes:
        source: the pictures still to be begun.
        budget: bounds what is in flight.
        ring: slots on their way to the networks.
        ready: pictures all of whose faces are back from the networks.
        tally: counts what is dealt with.
        inspector: knows what is done already.
        publisher: gives outputs their names.
        watchdog: over all that may hang.
        options: of the run.
        products: the files made of every picture.
        crop_px: side of the networks' crops.
        faces: how they are found.
        views: whether every picture that is dealt with comes with its `PictureView`.
        move: what puts a moved face into its picture.
        canvases: edits of photographs that stay on a GPU between decoding and encoding.
        jpeg: what decodes and encodes JPEGs in libjpeg's place.
    """

    source: JobSource
    budget: Budget
    ring: SlotRing
    ready: Channel[Item]
    tally: Tally
    inspector: Inspecting
    publisher: Publishing
    watchdog: Watchdog
    options: BatchOptions
    products: Sequence[Product]
    crop_px: int
    faces: FaceFinding
    views: bool = False
    move: Move = MotionPaste.into_region
    canvases: "DeviceCanvases | None" = None
    jpeg: NvidiaJpeg | None = None

    def encodes_there(self, extension: str) -> bool:
        """Whether photographs on a GPU become files of this kind there, and nobody views them."""
        is_jpeg = FORMAT_OF.get(extension.lower()) == "JPEG"
        is_there = self.canvases is not None and self.jpeg is not None and self.jpeg.is_on_device
        return is_jpeg and is_there and not self.views
