"""Readings to figures: shares, distances, ratios, each with its interval over people.

A set's values are {group: {metric: {column: {photograph: value}}}}; a column is an expression that
was asked for, `input` for the photograph itself, or `true` for the same person's other photograph.
So one piece of arithmetic makes every interval, and every difference of two sets.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.photograph_judges.edits import EditedSet, Wish
from benchmarks.photograph_judges.geometry import (
    box_patch,
    evenness,
    frame_of,
    mouth_patch,
    registration,
)
from benchmarks.photograph_judges.judges import Job, Reading, encoded
from benchmarks.photograph_judges.photographs import EXPRESSIONS, Photograph
from benchmarks.photograph_judges.readings import Readings
from efgan_rt.faces.align import warp
from efgan_rt.faces.detect import Face
from efgan_rt.pictures.original import Picture, rgb8
from efgan_rt.pictures.read import read_picture
from train.metrics.bootstrap import (
    NO_INTERVAL,
    Interval,
    bootstrap,
    draw_multiplicities,
    mean,
    median,
    middle,
)
from train.metrics.sharpness import laplacian_variance

NAMERS: Final = ("face-api", "fer")
INTENSITIES: Final = (0.25, 0.5, 0.75)
LIKENESS_PX: Final = 256
# MediaPipe's scores that an expression is known by; the mean of those named.
AMOUNTS: Final = {
    "smile": ("mouthSmileLeft", "mouthSmileRight"),
    "jaw_open": ("jawOpen",),
    "inner_brow": ("browInnerUp",),
    "outer_brow": ("browOuterUpLeft", "browOuterUpRight"),
    "brow_down": ("browDownLeft", "browDownRight"),
    "eyes_wide": ("eyeWideLeft", "eyeWideRight"),
}

# Ratios have a long tail: their median, as in the tables of renders.
OF_MEDIANS: Final = ("face_sharpness", "mouth_sharpness", "mouth_sharpness_by_true")

Column = dict[str, float]
Values = dict[str, dict[str, dict[str, Column]]]


def is_read_as(reading: Reading, wanted: str) -> float:
    """1 where the highest share is the wanted expression's, else 0; not a number without one."""
    if not reading:
        return float("nan")
    return float(max(reading, key=lambda name: float(reading[name])) == wanted)


def descriptor_distance(one: Reading, other: Reading) -> float:
    """Between two faces as dlib describes them; above about 0.45 they are two people's."""
    if not one or not other:
        return float("nan")
    return float(np.linalg.norm(np.subtract(one["descriptor"], other["descriptor"])))


def amount(reading: Reading, names: Sequence[str]) -> float:
    """The mean of MediaPipe's scores of these names."""
    if not reading:
        return float("nan")
    return float(np.mean([reading["scores"][name] for name in names]))


def photograph_values(photographs: Sequence[Photograph], found: Readings) -> Values:
    """What the judges say of the photographs themselves."""
    values: Values = {}
    for photograph in photographs:
        shown = "happy" if photograph.group == "smile" else "neutral"
        _read(values, photograph, "input", photograph.file, found, shown)
        if photograph.truth is not None:
            wanted = photograph.truth_expression or ""
            _read(values, photograph, "true", photograph.truth, found, wanted)
            _sharpness(values, photograph, "true", photograph.truth, found)
    return values


def set_values(edited: EditedSet, photographs: Sequence[Photograph], found: Readings) -> Values:
    """What the judges say of a set's edits."""
    values: Values = {}
    for photograph in photographs:
        for expression in EXPRESSIONS:
            file = edited.file(photograph, Wish(expression))
            if not file.is_file():
                continue
            _read(values, photograph, expression, file, found, expression)
            _sharpness(values, photograph, expression, file, found)
            outside = edited.changed_outside.get(str(file.relative_to(edited.folder)))
            if outside is not None:
                _put(values, photograph, "pixels_changed_outside", expression, float(outside))
        _evenness(values, edited, photograph, found)
    return values


def _put(values: Values, photograph: Photograph, metric: str, column: str, value: float) -> None:
    group = values.setdefault(photograph.group, {})
    group.setdefault(metric, {}).setdefault(column, {})[photograph.name] = value


def _read(
    values: Values,
    photograph: Photograph,
    column: str,
    file: Path,
    found: Readings,
    wanted: str,
) -> None:
    """A picture's expression, identity and amounts."""
    if photograph.group == "enlarged":
        return  # another size of the same face: judged for sharpness alone
    for judge in NAMERS:
        if judge in found.by_judge and not (column == "input" and photograph.group == "portrait"):
            _put(values, photograph, judge, column, is_read_as(found.of(judge, file), wanted))
    if "dlib" in found.by_judge and column != "input":
        away = descriptor_distance(found.of("dlib", file), found.of("dlib", photograph.file))
        _put(values, photograph, "identity", column, away)
    if "mediapipe" in found.by_judge:
        for name, scores in AMOUNTS.items():
            value = amount(found.of("mediapipe", file), scores)
            _put(values, photograph, name, column, value)


def _sharpness(
    values: Values, photograph: Photograph, column: str, file: Path, found: Readings
) -> None:
    """Of the face and of the mouth, each by the input's; of the mouth by the truth's as well."""
    face = found.face(photograph.file)
    if face is None or face.points is None or not photograph.is_sharp:
        return
    picture, before = read_picture(file), read_picture(photograph.file)
    true_face = None if photograph.truth is None else found.face(photograph.truth)
    here = true_face if column == "true" else face  # an edit's face lies where the input's does
    if here is None or here.points is None:
        return
    mouth = _mouth_sharpness(picture, here)
    _put(
        values, photograph, "mouth_sharpness", column, _ratio(mouth, _mouth_sharpness(before, face))
    )
    whole = laplacian_variance(picture, box_patch(here, picture.shape))
    by = laplacian_variance(before, box_patch(face, before.shape))
    _put(values, photograph, "face_sharpness", column, _ratio(whole, by))
    is_true_too = column == photograph.truth_expression and true_face is not None
    if is_true_too and photograph.truth is not None and true_face is not None:
        wanted = _mouth_sharpness(read_picture(photograph.truth), true_face)
        _put(values, photograph, "mouth_sharpness_by_true", column, _ratio(mouth, wanted))


def _mouth_sharpness(picture: Picture, face: Face) -> float:
    assert face.points is not None, "YuNet gives points"
    return laplacian_variance(picture, mouth_patch(face.points, picture.shape))


def _ratio(value: float, by: float) -> float:
    return value / by if by > 0 else float("nan")


def _evenness(values: Values, edited: EditedSet, photograph: Photograph, found: Readings) -> None:
    """The corners' movement at a part of the intensity, as a share of the full edit's."""

    def corners(file: Path) -> Any:
        reading = found.of("mediapipe", file)
        return None if reading is None else np.array(reading["corners"])

    still = corners(photograph.file)
    full = corners(edited.file(photograph, Wish("happy")))
    for intensity in INTENSITIES:
        part = corners(edited.file(photograph, Wish("happy", intensity)))
        if still is not None and full is not None and part is not None:
            share = evenness(part, still, full)
            _put(values, photograph, "evenness_of_happy", f"{intensity:g}", share)


def likeness_jobs(
    edited: EditedSet | None, photographs: Sequence[Photograph], found: Readings
) -> dict[str, tuple[Photograph, Job]]:
    """Crops beside the registered truth: of the inputs for None, else of a set's edits to it."""
    jobs = {}
    for photograph in photographs:
        if photograph.truth is None or photograph.truth_expression is None:
            continue
        file = photograph.file
        if edited is not None:
            file = edited.file(photograph, Wish(photograph.truth_expression))
        face, true_face = found.face(photograph.file), found.face(photograph.truth)
        if not file.is_file() or face is None or true_face is None:
            continue
        truth = read_picture(photograph.truth)
        pair = registered_pair(read_picture(file), face, truth, true_face)
        job = Job.of({"pixels": encoded(pair[0]), "other": encoded(pair[1])})
        jobs[f"{photograph.group}/{photograph.name}"] = (photograph, job)
    return jobs


def registered_pair(
    picture: Picture, face: Face, truth: Picture, true_face: Face
) -> tuple[Picture, Picture]:
    """Two crops of 256 pixels in one frame, each sampled once from its picture."""
    assert face.points is not None and true_face.points is not None, "YuNet gives points"
    frame = frame_of(face.points, LIKENESS_PX)
    laid = registration(true_face.points, face.points).then(frame)
    side = LIKENESS_PX
    return rgb8(warp(picture, frame, side, side)), rgb8(warp(truth, laid, side, side))


def put_likeness(
    values: Values,
    jobs: Mapping[str, tuple[Photograph, Job]],
    readings: Mapping[str, Reading],
    column: str | None,
) -> None:
    """Adds the readings, under the column or under the truth's expression."""
    for photograph, job in jobs.values():
        reading = readings[job.key]
        if reading is not None:
            for metric, value in reading.items():
                name = column or photograph.truth_expression or ""
                _put(values, photograph, metric, name, value)


def intervals(values: Values, people: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """Every column's mean, or median, and its interval over people.

    Args:
        values: of a set, or of the photographs.
        people: group -> photograph -> whose it is.
    """
    return {
        group: {
            metric: {
                column: bootstrap(
                    list(found.values()),
                    [people[group][name] for name in found],
                    median if metric in OF_MEDIANS else mean,
                ).to_plain()
                for column, found in columns.items()
            }
            for metric, columns in metrics.items()
        }
        for group, metrics in values.items()
    }


def ratio_of_means(values: Column, by: Column, people: Mapping[str, str]) -> Interval:
    """The mean of some values by the mean of others, over the photographs that have both.

    For amounts, whose own ratios are wild where a person hardly smiles.

    Args:
        values: by photograph.
        by: likewise.
        people: whose each photograph is.
    """
    names = [n for n in values if n in by and np.isfinite(values[n]) and np.isfinite(by[n])]
    whose = sorted({people[name] for name in names})
    if not names:
        return NO_INTERVAL
    sums = np.zeros((2, len(whose)))
    for name in names:
        sums[:, whose.index(people[name])] += values[name], by[name]
    total, total_by = sums.sum(axis=1)
    if total_by == 0:
        return NO_INTERVAL
    drawn = draw_multiplicities(len(whose)) @ sums.T
    ratios = drawn[:, 0] / np.where(drawn[:, 1] == 0, np.nan, drawn[:, 1])
    low, high = middle(ratios)
    return Interval(float(total / total_by), low, high, len(whose), len(names))


def smile_by_true(
    values: Values, inputs: Values, people: Mapping[str, Mapping[str, str]]
) -> dict[str, Any] | None:
    """MediaPipe's smile of neutral made happy by that of the true smiles."""
    made = values.get("neutral", {}).get("smile", {}).get("happy")
    true = inputs.get("neutral", {}).get("smile", {}).get("true")
    if made is None or true is None:
        return None
    return ratio_of_means(made, true, people["neutral"]).to_plain()


def names_given(
    files: Mapping[str, Sequence[Path]], found: Readings
) -> dict[str, dict[str, dict[str, int]]]:
    """What each judge of expressions calls the pictures, by column: how often each name."""
    result: dict[str, dict[str, dict[str, int]]] = {}
    for judge in NAMERS:
        for column, pictures in files.items():
            readings = [found.of(judge, file) for file in pictures]
            named = [max(r, key=lambda name: float(r[name])) for r in readings if r]
            if named:
                counts: dict[str, int] = {
                    name: named.count(name) for name in EXPRESSIONS if name in named
                }
                result.setdefault(judge, {})[column] = counts
    return result


def difference(values: Values, other: Values) -> Values:
    """The values less another set's, photograph by photograph, where both have one."""
    result: Values = {}
    for group, metrics in values.items():
        for metric, columns in metrics.items():
            for column, found in columns.items():
                beside = other.get(group, {}).get(metric, {}).get(column, {})
                both = {name: found[name] - beside[name] for name in found if name in beside}
                if both:
                    result.setdefault(group, {}).setdefault(metric, {})[column] = both
    return result


def less_input(values: Values, inputs: Values, metrics: Sequence[str]) -> Values:
    """Each edit's value less that of its own input, for these metrics."""
    spread = {
        group: {
            metric: {
                column: inputs[group][metric]["input"]
                for column in found[metric]
                if "input" in inputs.get(group, {}).get(metric, {})
            }
            for metric in metrics
            if metric in found
        }
        for group, found in values.items()
    }
    return difference(values, spread)
