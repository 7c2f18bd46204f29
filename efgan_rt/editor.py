"""Edits of pictures in memory, from Python: `efgan_rt.Editor`.

It does to one picture what `efgan-rt batch` does to a directory, with the same engines, faces,
crops and paste: faces are found and framed, the networks see them at the size of their crops, and
the edit comes back to the picture at its own size and depth. What is given decides what comes back:
an array gives an array of its type and shape, a path the array of its picture, a list a list.
"""

import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path, PurePosixPath
from typing import Any, Final, Self, TypeVar, overload

import numpy as np
import numpy.typing as npt

from efgan_rt.editing import OpenedSet
from efgan_rt.editor_arguments import (
    face_of,
    is_several,
    original_of,
    pictures_of,
    pixels_of,
    refuse_faceless,
    wish_of,
)
from efgan_rt.engine_sets import compiled_folder, find_set
from efgan_rt.errors import EfganError
from efgan_rt.face_rules import FaceRule, parse_conditions, target_of_face
from efgan_rt.faces.detect import MIN_SCORE, Face
from efgan_rt.faces.detector_file import fetch_detector as fetch_yunet
from efgan_rt.faces.detector_file import open_detector
from efgan_rt.faces.exposure import from_network, to_network
from efgan_rt.faces.framing import MIN_FACE_PX, FaceChoice, FaceFramer, Framed, framing_notes
from efgan_rt.faces.image import Image
from efgan_rt.faces.motion import Motion
from efgan_rt.faces.paste import paste
from efgan_rt.families.family import Goal, Wish
from efgan_rt.lane import Edited, even_progress
from efgan_rt.pictures.mark import marked_original
from efgan_rt.pictures.original import Picture, Pixels
from efgan_rt.pictures.write import write_original
from efgan_rt.pipeline.pasting import canvas_of
from efgan_rt.prepared import PreparedPicture
from efgan_rt.presets.asked import AskedRules, Model, rules_of
from efgan_rt.presets.library import load_preset
from efgan_rt.presets.preset import Preset
from efgan_rt.probed import choose_for_run
from efgan_rt.requests.reference import crop_of_picture, is_table, units_of_table
from engines.arrays import FloatArray
from engines.base import EngineError
from engines.directory import EngineDirectory
from engines.program import Output

PathOrText = str | PathLike[str]
Uint = TypeVar("Uint", np.uint8, np.uint16)
ImageT = TypeVar("ImageT", bound="npt.NDArray[Any] | str | PathLike[str]")
NO_FACE: Final = ("fail", "copy")


class Editor:
    """Edits faces in pictures. Any thread may call it; calls run one after another.

    Close it when done, or use it in a `with`: on a GPU it holds memory.

    Attributes:
        expressions: the names that `edit` knows.
        prototypes: each one's action units, float32 (K,), in the training set's mean.
        au_names: the action units, in the order of every array of them.
        backend: what runs the networks, and in which arithmetic, such as `openvino bf16`.
        mark: whether what `save` writes is marked as edited.
    """

    def __init__(
        self,
        opened_set: OpenedSet,
        framer: FaceFramer,
        *,
        mark: bool = True,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Of parts that are open already; `Editor.open` opens them.

        Args:
            opened_set: the networks.
            framer: finds and frames faces.
            mark: whether what `save` writes is marked as edited.
            say: told what is read in a reference.
        """
        self._say = say
        self._set = opened_set
        self._framer = framer
        if opened_set.canvases is not None:
            opened_set.canvases.show_to(framer)
        self.mark = mark
        self._lock = threading.RLock()
        self._lane = opened_set.lane()
        self._is_open = True
        self.expressions: tuple[str, ...] = tuple(opened_set.expressions)
        self.prototypes: Mapping[str, FloatArray] = opened_set.expressions
        self.au_names: tuple[str, ...] = opened_set.au_names
        self.backend = f"{opened_set.choice.backend} {opened_set.choice.precision}"

    @classmethod
    def open(
        cls,
        engines: PathOrText | None = None,
        backend: str = "auto",
        *,
        model: str | None = None,
        precision: str | None = None,
        batch: int = 1,
        threads: int | None = None,
        faces: str | int = "all",
        min_face_px: int = MIN_FACE_PX,
        min_score: float = MIN_SCORE,
        crops: bool | None = None,
        detector: PathOrText | None = None,
        fetch_detector: bool = False,
        mark: bool = True,
        say: Callable[[str], None] | None = None,
    ) -> Self:
        """Opens an engine set and a face detector.

        Args:
            engines: an engine directory; None for the current one, else the shipped one.
            model: a family of models, in place of `engines`: its current set.
            backend: `auto`, or one of those that `efgan-rt info` lists.
            precision: `fp32`, `bf16`, or `int8` of a set that has it; None for the faster of two.
            batch: faces in each run of the networks; more than 1 pays on a GPU.
            threads: processor threads; None for one a core.
            faces: which faces of a picture: `all`, `largest`, or how many of the largest.
            min_face_px: of a face's box; smaller faces are left alone.
            min_score: what the detector scores below it is no face, 0 to 1.
            crops: True: every picture is a face crop; False: none is; None: each is recognised.
            detector: YuNet's ONNX file; None for the fetched one, else OpenCV's Haar cascade.
            fetch_detector: whether YuNet is fetched first, if it is not there; once, 0.2 MB.
            mark: whether what `save` writes says that a network edited it.
            say: told what there is to know, such as a fall-back; None makes warnings of it.

        Raises:
            EfganError: an option is wrong, or the engines or the detector cannot be used.
        """
        tell = say or _warn
        if batch < 1:
            raise EfganError(f"batch: found {batch}, expected 1 or more")
        choice = FaceChoice(faces, min_face_px, crops)
        with engine_errors():
            named_set = find_set(None if engines is None else Path(engines), model)
            directory = EngineDirectory(named_set.directory)
            opened_set = OpenedSet.open(
                directory,
                choice=choose_for_run(backend, directory, precision, batch=batch, threads=threads),
                batch=batch,
                threads=threads,
                lanes=1,
                cache_dir=compiled_folder(),
                say=tell,
            )
        if fetch_detector and detector is None and not crops:
            fetch_yunet()
        named = None if detector is None else Path(detector)
        framer = _open_framer(opened_set, choice, named, min_score=min_score, tell=tell)
        return cls(opened_set, framer, mark=mark, say=tell)

    @overload
    def edit(
        self,
        image: npt.NDArray[Uint],
        expression: str | None = ...,
        intensity: float = ...,
        au: str | Mapping[str, float] | None = ...,
        *,
        towards: FloatArray | Sequence[float] | None = ...,
        reference: PathOrText | None = ...,
        preset: Preset | PathOrText | None = ...,
        only_if: str | None = ...,
        no_face: str = ...,
    ) -> npt.NDArray[Uint]: ...

    @overload
    def edit(
        self,
        image: PathOrText,
        expression: str | None = ...,
        intensity: float = ...,
        au: str | Mapping[str, float] | None = ...,
        *,
        towards: FloatArray | Sequence[float] | None = ...,
        reference: PathOrText | None = ...,
        preset: Preset | PathOrText | None = ...,
        only_if: str | None = ...,
        no_face: str = ...,
    ) -> Pixels: ...

    @overload
    def edit(
        self,
        image: list[ImageT] | tuple[ImageT, ...],
        expression: str | None = ...,
        intensity: float = ...,
        au: str | Mapping[str, float] | None = ...,
        *,
        towards: FloatArray | Sequence[float] | None = ...,
        reference: PathOrText | None = ...,
        preset: Preset | PathOrText | None = ...,
        only_if: str | None = ...,
        no_face: str = ...,
    ) -> list[Pixels]: ...

    def edit(
        self,
        image: Any,
        expression: str | None = None,
        intensity: float = 1.0,
        au: str | Mapping[str, float] | None = None,
        *,
        towards: FloatArray | Sequence[float] | None = None,
        reference: PathOrText | None = None,
        preset: Preset | PathOrText | None = None,
        only_if: str | None = None,
        no_face: str = "fail",
    ) -> Any:
        """Edits the faces of a picture, or of several.

        Args:
            image: an array, uint8 or uint16, (H, W, 3) RGB or (H, W) grey; or a picture file's
                path; or a list of such. Arrays are left alone.
            expression: one of `expressions`.
            intensity: 0 (no change) to 1 (as in the training set) to 2 (exaggerated).
            au: single action units, which win over the expression: `"AU12=3.5,AU04-=1"`, or
                values by name, `{"AU12": 3.5}`.
            towards: action units of a whole face, (K,), in place of an expression: what
                `action_units` read off another picture, for one.
            reference: another face, whose expression is lent: a picture, or a CSV file of its
                action units; in place of an expression.
            preset: a saved edit in place of all the above: its name, its `.toml` file or what
                `efgan_rt.presets.library.load_preset` gives. Rules by path see a file's path as
                it is given here.
            only_if: leaves alone the faces of which it is not true, such as `AU12<1.5`.
            no_face: `fail`, or `copy` to have a picture without a face back as it was.

        Returns:
            A new array like the picture; for a path that of its picture, upright; for a list one
            for each.

        Raises:
            EfganError: nothing is asked for, it is unknown or out of range, the array is of another
                kind, a file cannot be read, or no face is found.
        """
        if no_face not in NO_FACE:
            raise EfganError(f"no_face: found {no_face!r}, expected 'fail' or 'copy'")
        properties = self._set.properties
        wish = None
        if preset is None:
            wish = wish_of(
                properties,
                expression=expression,
                intensity=intensity,
                au=au,
                towards=towards,
                reference=reference,
            )
            self._set.family.refuse(wish.asked)
        elif au or intensity != 1 or any(e is not None for e in (expression, towards, reference)):
            raise EfganError("a preset says what is edited; leave out expression, au and towards")
        if wish is None or only_if is not None:
            asked = self._rules(wish or preset, only_if)
            pictures = list(image) if is_several(image) else [image]
            chosen = [self._edited_by_rules(each, *asked, no_face) for each in pictures]
            return chosen if is_several(image) else chosen[0]
        pictures = pictures_of(image)
        framed: list[tuple[Framed, ...]] = []
        try:
            with self._at_work():
                for pixels in pictures:
                    framed.append(self._framer.frame(pixels, keeps=True))
                if no_face == "fail":
                    refuse_faceless(framed, image)
                crops = [to_network(face.crop) for faces in framed for face in faces]
                goal = self._set.family.goal(properties, wish, self._read, self._say)
                edited = self._edited(crops, goal)
            with engine_errors():
                results = [
                    self._put_back(pixels, faces, edited)
                    for pixels, faces in zip(pictures, framed, strict=True)
                ]
        finally:
            for faces in framed:
                if (shown := _shown(faces)) is not None:
                    shown.release()
        return results if is_several(image) else results[0]

    def _put_back(
        self, pixels: Pixels, faces: Sequence[Framed], edited: Iterator[Picture | Motion]
    ) -> Pixels:
        """A picture with its next edits in place, on the GPU if it lies there."""
        result = pixels.copy()
        made = [next(edited) for _ in faces]
        moved = all(isinstance(each, Motion) for each in made)
        shown = _shown(faces) if moved else None
        with canvas_of(shown, result, self._set.move, self._set.canvases) as move_of:
            for face, each in zip(faces, made, strict=True):
                if not isinstance(each, Motion):
                    each = from_network(each, face.crop)
                paste(result, face, each, move_of(face))
        return result

    def prepare(self, image: npt.NDArray[Any] | PathOrText) -> PreparedPicture:
        """Finds and reads a picture's faces once, so that edits of them can be tried quickly.

        Args:
            image: one picture, as for `edit`; an array is not to be changed afterwards.

        Raises:
            EfganError: the array is of another kind, or the file cannot be read.
        """
        pixels = pixels_of(image)
        with self._at_work():
            framed = self._framer.frame(pixels)
            units = np.zeros((0, len(self.au_names)), np.float32)
            if framed:
                crops = np.stack([to_network(face.crop) for face in framed])
                if self._set.wiring.units is not None:
                    units = self._set.estimate(crops, lane=self._lane)
        return PreparedPicture(
            pixels, framed, units, self._faces_edited, self._crops_edited, self._set.move
        )

    def _faces_edited(
        self,
        framed: Sequence[Framed],
        units: FloatArray,
        targets: Sequence[Goal],
        shares: FloatArray | None,
    ) -> list[Picture | Motion]:
        """What the networks make of faces, each so much of its way, (F,); None: all of it."""
        made = self._run(framed, units, targets, shares)
        if made.motion is not None:
            return [made.motion.of(number) for number in range(len(framed))]
        pairs = zip(made.pixels, framed, strict=True)
        return [from_network(pixels, face.crop) for pixels, face in pairs]

    def _crops_edited(
        self,
        framed: Sequence[Framed],
        units: FloatArray,
        targets: Sequence[Goal],
        share: float,
    ) -> Picture:
        """The same as crops, all of them so much of their way."""
        return self._run(framed, units, targets, np.full(len(framed), share, np.float32)).pixels

    def _run(
        self,
        framed: Sequence[Framed],
        units: FloatArray,
        targets: Sequence[Goal],
        shares: FloatArray | None,
    ) -> Edited:
        progress = None
        if shares is not None:
            progress = even_progress(self._set.stages, len(framed)) * shares[:, np.newaxis]
        wiring = self._set.wiring
        read = {place: units for place, output in wiring.kept.items() if output == wiring.units}
        with self._at_work():
            return self._set.edit(
                np.stack([to_network(face.crop) for face in framed]),
                {
                    place: np.stack([each.places[place] for each in targets])
                    for place in targets[0].places
                },
                known=read,
                progress=progress,
                lane=self._lane,
            )

    def rules_of(self, preset: Preset | PathOrText) -> AskedRules:
        """What a preset asks of this editor's model, its reference read.

        Raises:
            EfganError: there is no such preset, or it asks for what the model lacks.
        """
        if not isinstance(preset, Preset):
            preset = load_preset(preset)[1]
        return rules_of(preset, self.model)

    @property
    def model(self) -> Model:
        """What decides what a preset asks."""
        return Model(self._set.family, self._set.properties, self._read, self._say)

    def reference_units(self, path: PathOrText) -> FloatArray:
        """The action units of a reference, float32 (K,), as `--reference` takes it.

        Args:
            path: a picture, of whose faces the largest is read, or OpenFace's table of one face.

        Raises:
            EfganError: it cannot be read, or shows no face.
        """
        if is_table(Path(path)):
            return units_of_table(Path(path), self.au_names)
        units = self.action_units(path)
        if not len(units):
            raise EfganError(f"{path}: no face found; expected one as a reference")
        return np.asarray(units[0])

    def _rules(
        self, asked: Wish | Preset | PathOrText | None, only_if: str | None
    ) -> tuple[AskedRules, FaceChoice]:
        """What is asked of faces that do not all get the same, and of which of them."""
        conditions = parse_conditions(only_if or "", self.au_names)
        if isinstance(asked, Wish):
            with self._at_work():
                target = self._set.family.goal(self._set.properties, asked, self._read, self._say)
            return AskedRules(((None, FaceRule(target, None, conditions)),)), FaceChoice()
        assert asked is not None, "either is given"
        preset = asked if isinstance(asked, Preset) else load_preset(asked)[1]
        return self.rules_of(preset).only_if(conditions), preset.choice

    def _edited_by_rules(
        self,
        image: npt.NDArray[Any] | PathOrText,
        rules: AskedRules,
        choice: FaceChoice,
        no_face: str,
    ) -> Pixels:
        prepared = self.prepare(image)
        if no_face == "fail":
            refuse_faceless([prepared.faces], image)
        path = None if isinstance(image, np.ndarray) else PurePosixPath(Path(image).as_posix())
        meant = {id(face) for face in choice.of(prepared.faces)}
        return prepared.edited(
            [
                target_of_face(rules.of(path), number, units) if id(face) in meant else None
                for number, (face, units) in enumerate(
                    zip(prepared.faces, prepared.action_units, strict=True)
                )
            ]
        )

    def _read(self, path: Path, output: Output) -> FloatArray:
        crop = crop_of_picture(path, self._framer, self._say)
        found: FloatArray = self._set.read(crop[np.newaxis], output, lane=self._lane)[0]
        return found

    def _edited(self, crops: Sequence[Picture], goal: Goal) -> Iterator[Picture | Motion]:
        if not crops:
            return iter(())
        made = self._set.edit(np.stack(crops), goal.places, lane=self._lane)
        return iter(made.pixels) if made.motion is None else map(made.motion.of, range(len(crops)))

    @overload
    def action_units(self, image: npt.NDArray[Any] | PathOrText) -> FloatArray: ...

    @overload
    def action_units(self, image: list[ImageT] | tuple[ImageT, ...]) -> list[FloatArray]: ...

    def action_units(self, image: Any) -> Any:
        """The action units of the chosen faces, as the engine set's own estimator reads them.

        Args:
            image: as for `edit`.

        Returns:
            float32 (F, K), 0 to 5, a row for each face, the largest first, none where no face is
            found; for a list one array for each picture.

        Raises:
            EfganError: as `edit`.
        """
        pictures = pictures_of(image)
        results = []
        with self._at_work():
            for pixels in pictures:
                crops = [to_network(face.crop) for face in self._framer.frame(pixels)]
                none = np.zeros((0, len(self.au_names)), np.float32)
                found = self._set.estimate(np.stack(crops), lane=self._lane) if crops else none
                results.append(found)
        return results if is_several(image) else results[0]

    def faces(self, image: npt.NDArray[Any] | PathOrText) -> tuple[Face, ...]:
        """The faces that `edit` would edit, the largest first, in the picture's pixels.

        A picture that is itself a face crop has one, its largest centred square, without a score
        and without points.

        Raises:
            EfganError: the array is of another kind, or the file cannot be read.
        """
        pixels = pixels_of(image)
        with self._at_work():
            return tuple(face_of(each) for each in self._framer.frame(pixels))

    def save(
        self,
        path: PathOrText,
        image: npt.NDArray[Any],
        *,
        source: PathOrText | None = None,
        quality: int | None = None,
    ) -> None:
        """Writes a picture, whole or not at all, in the format that the extension names.

        Args:
            path: the file, replaced if it is there.
            image: an array as `edit` takes and gives it.
            source: the file that the picture was made of: its EXIF, XMP, colour profile, density
                and transparency go along, and a JPEG's quality.
            quality: 1 to 100, for JPEG and lossy WebP; None is the source's, else 95.

        Raises:
            EfganError: the array is of another kind or another size than the source, the source
                cannot be read, or the file cannot be written.
        """
        if quality is not None and not 1 <= quality <= 100:
            raise EfganError(f"quality: found {quality}, expected 1 to 100")
        original = original_of(image, None if source is None else Path(source))
        write_original(
            Path(path), marked_original(original) if self.mark else original, quality=quality
        )

    def close(self) -> None:
        """Gives back what it holds; the editor cannot be used afterwards."""
        with self._lock:
            if self._is_open:
                self._is_open = False
                self._lane.close()
                self._framer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _at_work(self) -> Iterator[None]:
        with self._lock, engine_errors():
            if not self._is_open:
                raise EfganError("the editor is closed; open another one")
            yield


def _shown(faces: Sequence[Framed]) -> Image | None:
    """The picture of some faces where it lies on a GPU."""
    return faces[0].image if faces else None


@contextmanager
def engine_errors() -> Iterator[None]:
    """Has what the engines raise come as the one error that a caller needs to know.

    Raises:
        EfganError: in place of an `EngineError`.
    """
    try:
        yield
    except EngineError as error:
        raise EfganError(str(error)) from error


def _warn(sentence: str) -> None:
    """Says aloud what there is to know, where the caller has not said how."""
    warnings.warn(sentence, stacklevel=4)


def _open_framer(
    opened_set: OpenedSet,
    choice: FaceChoice,
    detector: Path | None,
    *,
    min_score: float,
    tell: Callable[[str], None],
) -> FaceFramer:
    """What finds and frames faces for an engine set.

    Args:
        opened_set: whose template it is.
        choice: which faces.
        detector: a YuNet file, or `haar` for OpenCV's cascade; None for the one that comes along.
        min_score: what the detector scores below it is no face.
        tell: told of a fall-back and of a detector that is not the template's.

    Raises:
        EfganError: the detector cannot be used.
    """
    if choice.crops:
        return FaceFramer(None, None, choice, crop_px=opened_set.crop_px)
    found, why = open_detector(detector, min_score=min_score, min_face_px=choice.min_face_px)
    if found.facts.name == "haar":
        tell(f"faces are found by {why}; they are framed less well than by YuNet")
    else:
        for note in framing_notes(found.facts, opened_set.template):
            tell(note)
    return FaceFramer(found, opened_set.template, choice, crop_px=opened_set.crop_px)
