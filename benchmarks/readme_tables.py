"""The tables of the README and of docs/, each written from its file under benchmarks/results/."""

from collections.abc import Callable
from typing import Any

from benchmarks.readme_int8 import int8
from benchmarks.readme_judged import judged
from benchmarks.readme_photographs import photographs
from benchmarks.readme_speed import folding, opponent_ratios, opponents, scaling, startup
from benchmarks.readme_text import machine_text, markdown_table
from benchmarks.readme_training import intensity, models_by_measure, switches, training_step
from train.evaluation.figure_text import interval_text
from train.evaluation.paper_tables import (
    accuracy_table,
    averages_table,
    pictures_table,
    verification_table,
)
from train.evaluation.tables import cost_table

Document = dict[str, Any]


def quality(document: Document) -> str:
    """The edits of unseen people, a column a way of editing."""
    columns = {column["name"]: column for column in document["columns"]}
    shown = [columns[name] for name in columns if name != "truth"]
    rows: list[tuple[str, Callable[[Document], str]]] = [
        ("PSNR against the true picture, dB", lambda c: f"{c['psnr_db']:.2f}"),
        ("above the unedited picture, dB", lambda c: f"{c['gain_db']:+.2f}"),
        (
            "edits that a classifier names as wanted (G)",
            lambda c: f"{c['accuracy']['overall']:.1%}",
        ),
        ("the same, of the 36 faces above", _examples),
        ("AU12 of neutral made happy, by the judge", lambda c: _rise(c["au12_by_judge"])),
        ("the same, by the set's `au_estimator`", lambda c: _rise(c["au12_by_estimator"])),
        ("still pixels: share", lambda c: f"{c['background']['share']:.2%}"),
        ("still pixels: mean change, levels", lambda c: f"{c['background']['mean_change']:.2f}"),
        (
            "still pixels, seen through the noise: share",
            lambda c: f"{c['background_denoised']['share']:.1%}",
        ),
        (
            "still pixels, seen through the noise: change",
            lambda c: f"{c['background_denoised']['mean_change']:.2f}",
        ),
        ("sharpness of the eyes, truth = 1", lambda c: f"{c['sharpness']['eyes']:.2f}"),
        ("sharpness of the mouth, truth = 1", lambda c: f"{c['sharpness']['mouth']:.2f}"),
    ]
    head = ["", *(column["name"] for column in shown)]
    body = [[label, *(show(column) for column in shown)] for label, show in rows]
    n = f"{shown[0]['edits']} edits of {shown[0]['people']} people"
    return f"{markdown_table(head, body)}\n\n{n}; {machine_text(document)}."


def evaluation(document: Document) -> str:
    """The papers' tables of the shipped engines: published rows above ours."""
    parts = [
        markdown_table(list(table.head), [list(row) for row in table.rows])
        for table in (
            accuracy_table(document),
            pictures_table(document),
            averages_table(document),
            verification_table(document),
            cost_table(document),
        )
        if table is not None
    ]
    data, protocol = document["data"], document["protocol"]
    n = (
        f"{protocol['edits']:,} edits and {protocol['transfers']:,} transfers of {data['people']} "
        "unseen people, in brackets 95 % intervals over them; published rows were measured on "
        "other data by other judges; features of FID: "
        f"{document['judges']['features']['name']}"
    )
    body = "\n\n".join(parts)
    return f"{body}\n\n{n}; {machine_text(document)}."


def london(document: Document) -> str:
    """Neutral photographs made happy, as MediaPipe reads the smile."""
    rows = [
        (f"smile of the {label}, 0 to 1", interval_text(document["smile"][kind], ".2f"))
        for kind, label in (
            ("neutral", "neutral photograph"),
            ("edit", "edit"),
            ("true", "true smiling photograph"),
        )
    ]
    identity, check = document["identity"], document["embedder_on_these_photographs"]
    rows += [
        ("identity, edit to the true smile", interval_text(identity["edit_to_true"], ".2f")),
        ("identity, neutral to true smile", interval_text(identity["neutral_to_true"], ".2f")),
        ("nearest to its own person", interval_text(identity["nearest_own"], ".0%")),
        ("the same for the unedited", interval_text(identity["neutral_nearest_own"], ".0%")),
    ]
    worth = "-" if check["accuracy"] is None else f"{check['accuracy']:.0%}"
    n = (
        f"{document['people']} people, in brackets 95 % intervals; the identity judge learnt from "
        f"rendered faces and tells {worth} of these pairs apart; {document['source']}"
    )
    return f"{markdown_table(['', 'neutral made happy'], [list(row) for row in rows])}\n\n{n}."


def studio_preview(document: Document) -> str:
    """How soon the studio's page shows a change."""
    shown, runs = document["shown"], document["run_median_s"]
    text = (
        f"From the slider's event to the new picture drawn in Chromium, a photograph of "
        f"{document['megapixels']:.1f} megapixels with one face, shown at {shown['width']} x "
        f"{shown['height']}: {document['p50_ms']:.0f} ms (p50), {document['p99_ms']:.0f} ms (p99) "
        f"over {document['changes']} changes."
    )
    if runs:
        text += (
            f" {document['run_pictures']} such photographs run from the page in "
            f"{runs['page']:.1f} s, from the command line in {runs['command line']:.1f} s (medians "
            f"of {len(document['run_seconds']['page'])} by turns)."
        )
    return f"{text[:-1]}; {machine_text(document)}."


def photograph_speed(document: Document) -> str:
    """Whole photographs, and each stage's share of the threads' time."""
    stages = sorted(document["stages"].items(), key=lambda item: -item[1]["share"])
    shares = ", ".join(f"{name} {found['share']:.0%}" for name, found in stages)
    low, high = document["a_second_range"]
    engines = document["engines"]
    return (
        f"{document['a_second']:.1f} photographs of two megapixels a second ({low:.1f} to "
        f"{high:.1f} in {document['rounds']} runs of {document['pictures']}), {engines['backend']} "
        f"in {engines['precision']}. Of the threads' time: {shares}. Threads were busy for "
        f"{document['busy_seconds']:.1f} s of a run of {document['seconds']:.1f} s; "
        f"{machine_text(document)}."
    )


def backends(document: Document) -> str:
    """Pictures a second and latency, a row a backend."""
    head = ["backend", "precision", "batch", "a batch, p50 / p90 / p99 ms", "engines alone, /s"]
    head += ["directory to directory, /s", "ratio"]
    body = []
    for way in document["ways"]:
        whole = way["latency_of_a_batch"]["whole batch"]
        body.append(
            [
                way["backend"],
                way["precision"],
                str(way["batch"]),
                " / ".join(f"{whole[figure]:.1f}" for figure in ("p50_ms", "p90_ms", "p99_ms")),
                f"{way['engines_images_per_s']:.1f}",
                f"{way['pipeline_images_per_s']:.1f}",
                f"{way['ratio']:.2f}",
            ]
        )
    rounds = document["ways"][0]["rounds"]
    return f"{markdown_table(head, body)}\n\nMedians of {rounds} rounds; {machine_text(document)}."


def endurance(document: Document) -> str:
    """The long run with broken pictures in it."""
    return (
        f"{document['pictures']:,} pictures and {document['broken']} broken ones in one run: "
        f"{document['outputs']:,} outputs, {document['named_failures']} failures named, exit "
        f"status {document['exit_status']}; {document['resident_mb_settled']:.0f} MB resident "
        f"after {document['settled_at']:,} pictures, {document['growth_mb']:+.1f} MB at the peak "
        f"after that; {document['rate_first']:.0f} pictures a second at first, "
        f"{document['rate_last']:.0f} at last; {machine_text(document)}."
    )


def crash(document: Document) -> str:
    """The run that was killed again and again."""
    return (
        f"Killed {document['kills']} times at random moments ({document['kills_at_work']} of them "
        f"while outputs were appearing), each time given the same command again: "
        f"{document['torn_or_wrong']} files lost, torn or wrong, {document['finished_done_twice']} "
        f"finished pictures done twice, {document['in_flight_done_twice']} in flight repeated."
    )


def fuzz(document: Document) -> str:
    """The malformed inputs that every reader was given."""
    slowest = max(reader["slowest_s"] for reader in document["readers"].values())
    return (
        f"{document['inputs']:,} malformed inputs tried on the readers of pictures, labels, "
        f"manifests, checkpoints and `--au`: {document['findings']} crashes, hangs or files "
        f"outside the output; the slowest took {slowest:.1f} s."
    )


def unfolding(document: Document) -> str:
    """How even the steps between frames are, in both paces."""
    units, seen = (document["paces"][pace] for pace in ("units", "seen"))
    return (
        f"Over {document['faces']} faces and {len(document['expressions'])} expressions in "
        f"{document['frames']} frames each, the largest step is {units['median']:.1f} times the "
        f"mean one by action units (median; at worst {units['largest']:.1f} times) and "
        f"{seen['median']:.1f} times by what is seen (at worst {seen['largest']:.1f})."
    )


def gpu(document: Document) -> str:
    """Every way on a GPU against PyTorch, in the same run."""
    head = ["way", "batch", "a batch, p50 / p90 / p99 ms", "pictures /s"]
    head += ["directory to directory, /s", "GPU computes, one lane"]
    body = []
    for way in document["bench"].values():
        if "left_out" in way:
            continue
        whole = way["one_lane_ms"]["whole batch"]
        body.append(
            [
                way["way"],
                str(way["batch"]),
                " / ".join(f"{whole[figure]:.2f}" for figure in ("p50_ms", "p90_ms", "p99_ms")),
                f"{way['images_per_s']:,.0f}",
                f"{way['directory_images_per_s']:,.0f}",
                f"{way['gpu_share_one_lane']:.0%}",
            ]
        )
    body.sort(key=lambda row: int(row[1]))
    facts = document["facts"]["facts"]
    machine = f"{facts['gpu']['name']}, driver {facts['gpu']['driver']}"
    packages = facts["packages"]
    names = ("torch", "onnxruntime-gpu", "tensorrt")
    versions = ", ".join(f"{name} {packages[name]}" for name in names if name in packages)
    rounds = next(way["rounds"] for way in document["bench"].values() if "rounds" in way)
    return f"{markdown_table(head, body)}\n\nMedians of {rounds} rounds; {machine}, {versions}."


def tensorrt_build(document: Document) -> str:
    """What compiling takes, a row a network."""
    head = ["network", "processor seconds", "seconds", "peak memory, MB", "ONNX, MB", "plan, MB"]
    head += ["layers", "convolutions, all in half"]
    networks = document["networks"]
    body = [
        [
            name,
            f"{network['cpu_seconds_median']:.1f}",
            f"{network['seconds_median']:.1f}",
            f"{network['peak_mb']:.0f}",
            f"{network['onnx_mb']:.2f}",
            f"{network['plan_mb']:.2f}",
            str(network["layers"]),
            str(network["convolutions"]),
        ]
        for name, network in networks.items()
    ]
    machine, tensorrt = document["machine"], document["tensorrt"]
    batch = ":".join(map(str, document["batch"]))
    runs = next(iter(networks.values()))["runs"]
    measured = (
        f"Medians of {runs} runs, each in a process of its own and without a timing cache; width "
        f"{document['width']}, {document['precision']}, batch {batch}; TensorRT bindings "
        f"{tensorrt['bindings']}, {tensorrt['compiler']}, no GPU; {machine['processor']}, "
        f"{machine['cores']} cores, shared with other work (load {machine['load_average'][0]:.0f})."
    )
    return f"{markdown_table(head, body)}\n\n{measured}"


TABLES: dict[str, Callable[[Document], str]] = {
    "unfolding": unfolding,
    "quality": quality,
    "cascade": models_by_measure,
    "intensity": intensity,
    "ablation": models_by_measure,
    "switches": switches,
    "evaluation": evaluation,
    "judged": judged,
    "london": london,
    "photographs": photographs,
    "backends": backends,
    "photograph_speed": photograph_speed,
    "studio_preview": studio_preview,
    "endurance": endurance,
    "endurance_100000": endurance,
    "crash": crash,
    "fuzz": fuzz,
    "gpu": gpu,
    "tensorrt_build": tensorrt_build,
    "int8": int8,
    "training_step": training_step,
    "opponents": opponents,
    "opponents_w64": opponents,
    "opponents_ratios": opponent_ratios,
    "opponents_w64_ratios": opponent_ratios,
    "scaling": scaling,
    "startup": startup,
    "folding": folding,
}
# Tables that share their results with another.
SOURCES = {
    "judged": "photographs_judged",
    "opponents_ratios": "opponents",
    "opponents_w64_ratios": "opponents_w64",
}
# What not every machine can measure: shown where there are results, else its place is left empty.
OPTIONAL = {
    *("ablation", "cascade", "switches"),
    *("evaluation", "judged", "london", "photographs", "photograph_speed", "gpu"),
    "studio_preview",
    *("opponents", "opponents_w64", "opponents_ratios", "opponents_w64_ratios"),
    *("scaling", "startup", "folding"),
}


def _examples(column: Document) -> str:
    right, shown = column["examples_named_right"], column["examples_shown"]
    return "" if right is None else f"{right} of {shown}"


def _rise(rise: Document) -> str:
    return f"{rise['before']:.2f} → {rise['after']:.2f}"
