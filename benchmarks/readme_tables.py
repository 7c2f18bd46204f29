"""The tables of the README and of docs/, each written from its file under benchmarks/results/."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from efgan_rt.pictures.header import FORMATS
from train.evaluation.figure_text import interval_text
from train.evaluation.paper_tables import (
    accuracy_table,
    averages_table,
    pictures_table,
    verification_table,
)
from train.evaluation.tables import cost_table

Document = dict[str, Any]

EXPRESSIONS: Final = ("happy", "surprised", "sad", "disgusted", "fearful", "angry", "neutral")
JUDGED: Final = {
    "face-api": "named as asked, by face-api",
    "fer": "the same, by fer",
    "identity": "distance of the edit to the input, by dlib",
    "face_sharpness": "sharpness of the face, input = 1",
    "mouth_sharpness": "sharpness of the mouth, input = 1",
}
# Key, label and format of models' figures; a share is shown in percent.
MODEL_FIGURES: Final = (
    ("named_as_wanted", "named as wanted (G)", ".1%"),
    ("au_error", "AU error, 0 to 5", ".3f"),
    ("psnr_db", "PSNR, dB", ".2f"),
    ("gain_db", "above the unedited input", "+.2f"),
    ("identity_to_truth", "identity: to the true picture", ".3f"),
    ("identity_to_source", "to the input", ".3f"),
    ("identity_nearest_own", "nearest to its own person", ".1%"),
    ("sharpness_eyes", "sharpness, eyes (truth = 1)", ".2f"),
    ("sharpness_mouth", "sharpness, mouth (truth = 1)", ".2f"),
)
SWITCH_FIGURES: Final = (
    ("psnr_db", "PSNR, dB", ".2f"),
    ("named_as_wanted", "named as wanted (G)", ".1%"),
    ("au_error", "AU error", ".3f"),
    ("sharpness_mouth", "sharpness of the mouth", ".2f"),
    ("sharpness_eyes", "of the eyes", ".2f"),
    ("identity_to_truth", "identity", ".3f"),
)
BASE: Final = "torch fp32 loop, batch 1"  # that the opponents' table counts from
# family -> what a reader calls it; in the order of the rows.
CALLED: Final = {
    "torch fp32 loop": "PyTorch, a loop in batches",
    "torch bf16 loop": "PyTorch in bf16, a loop in batches",
    "torch compiled loop": "torch.compile, a loop in batches",
    "onnxruntime fp32 loop": "ONNX Runtime, a loop in batches",
    "efgan-rt onnxruntime fp32": "efgan-rt, ONNX Runtime in fp32",
    "efgan-rt openvino fp32": "efgan-rt, OpenVINO in fp32",
    "efgan-rt openvino bf16": "efgan-rt, OpenVINO in bf16",
    "efgan-rt openvino int8": "efgan-rt, OpenVINO in int8",
}
AXES: Final = {
    "pictures": "pictures",
    "size_px": "their side, pixels",
    "batch": "batch",
    "lanes": "lanes",
    "cores": "cores",
}
PERCENTILES: Final = ("p50_ms", "p90_ms", "p99_ms")


def markdown_table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """The first column to the left, figures to the right."""
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def machine_text(document: Document, names: tuple[str, ...] = ("openvino", "onnxruntime")) -> str:
    """The processor, its cores and the versions of the packages that count."""
    machine = document["machine"]
    packages = machine["packages"]
    versions = ", ".join(f"{name} {packages[name]}" for name in names)
    cores = machine["cores"]
    counted = "1 core" if cores == 1 else f"{cores} cores"
    bf16 = f" with {machine['bf16']}" if machine["bf16"] else ""
    return f"{machine['processor']}{bf16}, {counted}, {versions}"


def judged(document: Document) -> str:
    """Each set's edits of neutral photographs, a row a judge, a column an expression."""
    head = ["", "", *EXPRESSIONS]
    body = []
    for figure, words in JUDGED.items():
        for name, found in document["sets"].items():
            row = found["figures"]["neutral"][figure]
            body.append([words, name, *(_value(row.get(each)) for each in EXPRESSIONS)])
    inputs = document["inputs"]["neutral"]
    people = document["photographs"]["neutral"]
    true = inputs["face-api"]["true"]["value"]
    parts = [
        f"{people} people whom no training has seen, neutral photographs, means (sharpness: "
        f"medians). True smiles of the same people are named happy in {true:.0%} by face-api, and "
        f"lie {inputs['identity']['true']['value']:.2f} from the neutral pictures by dlib, which "
        "takes more than about 0.41 for another person.",
        _amount(document),
        f"{document['sources']['london']}; {machine_text(document)}.",
    ]
    return f"{markdown_table(head, body)}\n\n{' '.join(part for part in parts if part)}"


def _amount(document: Document) -> str:
    told = []
    for name, found in document["sets"].items():
        ratio = found["smile_of_happy_by_true"]
        even = found["figures"]["neutral"]["evenness_of_happy"]
        shares = ", ".join(f"{even[share]['value']:.2f}" for share in ("0.25", "0.5", "0.75"))
        told.append(
            f"{name}: the smile is {ratio['value']:.2f} times true ones', its corners go {shares} "
            "of their way at a quarter, half and three quarters of the intensity"
        )
    return "; ".join(told) + "."


def _value(found: Document | None) -> str:
    return "" if found is None else f"{found['value']:.2f}"


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


def unfolding(document: Document) -> str:
    """How even the steps between frames are, in both paces."""
    units, seen = (document["paces"][pace] for pace in ("units", "seen"))
    return (
        f"Over {document['faces']} faces and {len(document['expressions'])} expressions in "
        f"{document['frames']} frames each, the largest step is {units['median']:.1f} times the "
        f"mean one by action units (median; at worst {units['largest']:.1f} times) and "
        f"{seen['median']:.1f} times by what is seen (at worst {seen['largest']:.1f})."
    )


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


def models_by_measure(document: Document) -> str:
    """Several models by every measure, a column a model; intervals behind the figures."""
    models = document["models"]

    def row(label: str, key: str, form: str, of: str = "figures") -> list[str]:
        return [label, *(interval_text(model[of][key], form) for model in models)]

    body = [row(label, key, form) for key, label, form in MODEL_FIGURES]
    contemptuous = [interval_text(model["named_contemptuous"], ".1%") for model in models]
    body.insert(1, ["contemptuous only", *contemptuous])
    if all("training_worth" in model for model in models):
        for regime in ("few", "all"):
            learnt = _real_people(models[0]["training_worth"][regime])
            label = f"R+G, real crops of {learnt}"
            body.insert(2, row(label, regime, ".1%", "training_worth"))
    body += [
        row(f"large gap: {label}", key, form, "large_gap_figures")
        for key, label, form in MODEL_FIGURES
        if key != "gain_db"
    ]
    # Processor seconds where it was timed from outside: the clock's say little of a busy machine.
    for label, key in (
        ("stages", "stages"),
        ("pictures seen", "pictures_seen"),
        ("seconds of training", "training_seconds"),
        ("processor seconds of training", "training_processor_seconds"),
    ):
        if all(key in model for model in models):
            counts = [model[key] for model in models]
            body.append([label, *("-" if each is None else f"{each:,.0f}" for each in counts)])
    head = ["", *(model["name"] for model in models)]
    return f"{markdown_table(head, body)}\n\n{_n(document)}."


def _real_people(worth: Document) -> str:
    people = worth["real_people"]
    return "all training people" if people is None else f"{people} people"


def switches(document: Document) -> str:
    """What each switch does, a row a training."""
    head = ["training", *(heading for _, heading, _ in SWITCH_FIGURES), "pictures", "seconds"]
    body = [
        [
            model["name"],
            *(interval_text(model["figures"][key], form) for key, _, form in SWITCH_FIGURES),
            f"{model['pictures_seen']:,.0f}",
            f"{model['training_seconds']:,.0f}",
        ]
        for model in document["models"]
    ]
    return f"{markdown_table(head, body)}\n\n{_n(document)}."


def _n(document: Document) -> str:
    models, judges = document["models"], document["judges"]
    real = f"{judges['on_real_crops']['accuracy']:.1%}" + "".join(
        f", {worth['value']:.1%} from the real crops of {_real_people(worth)}"
        for worth in judges.get("training_worth", {}).values()
        if worth["real_people"] is not None
    )
    return (
        f"{models[0]['edits']} edits of {document['people']['n']} unseen people, and "
        f"{models[0]['large_gap_edits']} over large gaps (angry to happy, sad to surprised); in "
        f"brackets 95 % intervals over people; R is {real}; "
        f"{machine_text(document, ('torch',))}"
    )


def training_step(document: Document) -> str:
    """What a training step costs, a row a switch."""
    head = ["", "step", "processor s", "of the first", "GFLOP/s"]
    body = []
    for title, setting in document["settings"].items():
        for name, case in setting["cases"].items():
            figures = f"{case['step_s']:.2f}", f"{case['of_the_first']:.2f}"
            body.append([title.split(",")[0], name, *figures, f"{case['gflop_per_s']:.0f}"])
    setting = next(iter(document["settings"].values()))
    fastest = document["fastest_gflop_per_s"]["bf16"]["convolution"]
    arithmetic = "bf16" if setting["bf16"] else "fp32"
    return (
        f"{markdown_table(head, body)}\n\nWidth {setting['width']}, batch {setting['batch']}, "
        f"{arithmetic}, n {setting['n']}, one thread; a large convolution alone reaches "
        f"{fastest:.0f} GFLOP/s there; torch {document['versions']['torch']}."
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
                " / ".join(f"{whole[figure]:.1f}" for figure in PERCENTILES),
                f"{way['engines_images_per_s']:.1f}",
                f"{way['pipeline_images_per_s']:.1f}",
                f"{way['ratio']:.2f}",
            ]
        )
    rounds = document["ways"][0]["rounds"]
    return f"{markdown_table(head, body)}\n\nMedians of {rounds} rounds; {machine_text(document)}."


def best_ways(ways: Mapping[str, Any]) -> dict[str, str]:
    """Family -> the way of it that had the best median, of those that took turns."""
    found: dict[str, str] = {}
    for name, way in sorted(ways.items(), key=lambda item: item[1]["images_per_s"] or 0):
        if way["turns"]:
            found[way["family"]] = name
    return found


def opponents(document: Document) -> str:
    """Directory to directory, a row a way, the slowest first way as 1."""
    ways, best = document["ways"], best_ways(document["ways"])
    rows = [("PyTorch, a loop over files one by one", BASE)] if BASE in ways else []
    rows += [
        (label, best[family])
        for family, label in CALLED.items()
        if best.get(family) not in (None, BASE)
    ]
    base = ways[BASE]["images_per_s"] if BASE in ways else None
    body = [
        [
            label,
            str(ways[name]["batch"]),
            f"{ways[name]['images_per_s']:.3g}",
            "" if base is None else f"{ways[name]['images_per_s'] / base:.1f}",
        ]
        for label, name in rows
    ]
    stages = "one stage" if document["stages"] == 1 else f"{document['stages']} stages"
    n = (
        "JPEG to JPEG, each loop at its best batch, efgan-rt at its default, all on "
        f"{document['threads']} threads; {stages} of width {document['width']}, "
        f"{document['weights']} weights; medians of {document['rounds']} turns"
    )
    shown = markdown_table(["way", "batch", "pictures /s", "times"], body)
    return f"{shown}\n\n{n}; {machine_text(document)}."


def scaling(document: Document) -> str:
    """How a run grows, axis by axis."""
    head = ["", "pictures /s", "processor s a picture", "peak memory, MB", "runs"]
    body = [
        [
            f"{label}: {point[axis]:,}",
            f"{point['images_per_s']:.1f}",
            f"{point['processor_s'] / point['pictures']:.4f}",
            f"{point['peak_mb']:.0f}",
            str(point["rounds"]),
        ]
        for axis, label in AXES.items()
        for point in document["axes"].get(axis, ())
    ]
    n = (
        f"{document['pictures']} pictures of 128 x 128 where nothing else is said; the processor's "
        "seconds hold the start"
    )
    return f"{markdown_table(head, body)}\n\n{n}; {machine_text(document)}."


def startup(document: Document) -> str:
    """What a run on one picture takes."""
    wall = document["wall_ms"]
    work, imports = (
        ", ".join(f"{name} {ms:.0f}" for name, ms in document[key].items())
        for key in ("work_ms", "imports_ms")
    )
    return (
        f"One picture, from the command to its end: {wall['median'] / 1e3:.2f} s "
        f"({wall['lowest'] / 1e3:.2f} to {wall['highest'] / 1e3:.2f} in {document['runs']} "
        f"processes), {document['processor_ms']['median'] / 1e3:.2f} s of the processor; the very "
        f"first run, which compiles, {document['first_run_ms'] / 1e3:.1f} s. Of it, ms: {work}; "
        f"imports by package, ms: {imports}; {machine_text(document)}."
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
                " / ".join(f"{whole[figure]:.2f}" for figure in PERCENTILES),
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


def shard_kills(document: Document) -> str:
    """The runs over two processes that were killed again and again."""
    disks = document["full_outputs"] + document["full_temporary_folders"]
    return (
        f"{document['kills']} kills at random moments ({document['workers_killed']} of workers, "
        f"{document['coordinators_killed']} of coordinators; {document['killed_at_work']} while "
        f"outputs were appearing), {document['commands_beside_old_workers']} times the same "
        f"command while old workers still lived, {disks} full disks: {document['torn_or_wrong']} "
        f"files lost, torn or other than one process's, {document['finished_read_twice']} finished "
        f"pictures done twice, {document['in_flight_read_twice']} in flight repeated."
    )


def processes(document: Document) -> str:
    """Whether several processes make what one makes, and what they cost."""
    lines = []
    for engines, found in document.get("outputs", {}).items():
        (_, one), *others = found["ways"].items()
        faults = sum(each["missing"] + each["others"] + each["different"] for _, each in others)
        lines += [
            f"{found['pictures']:,} mixed pictures, {found['broken']} of them broken, through "
            f"{engines}: {one['files']:,} outputs of one process; of "
            f"{', '.join(name for name, _ in others)} {faults or 'none'} is missing, added or "
            "different in a byte.",
            "",
        ]
    head = ["| | processor time a picture | lowest to highest |"]
    body = []
    for part, what in (("host", "no network"), ("shipped", "the set that ships")):
        for way, took in document.get(part, {}).get("ways", {}).items():
            processor = took["processor_ms"]
            body.append(
                f"| {what}, {way} | {processor['median']:.2f} ms | {processor['lowest']:.2f} to "
                f"{processor['highest']:.2f} |"
            )
    if body:
        lines += ["", *head, "|---|---:|---:|", *body]
    if ray := document.get("ray"):
        lines += [
            "",
            f"Ray takes {ray['over_two_processes_ms']:.3f} ms of processor time a picture more "
            f"than two processes, {ray['share']:.2%} of a picture's with the set that ships; its "
            f"daemons, idle, {document['host']['idle_cluster_cores']:.1%} of a core.",
        ]
    return "\n".join([*lines, "", f"Measured on {machine_text(document)}."])


def limits(document: Document) -> str:
    """Where a cluster's run gives out, measured and simulated."""
    measured, before = document["measured"], document["before"]["measured"]
    lines = [
        "| measured | before, a second | now, a second | before, a processor second | now |",
        "|---|---:|---:|---:|---:|",
    ]
    for what, rate in measured.items():
        if isinstance(rate, dict):
            figures = [each[what][key] for key in ("per_s", "per_processor_s")
                       for each in (before, measured)]  # fmt: skip
            lines.append(f"| {what} | {' | '.join(f'{figure:,}' for figure in figures)} |")
    lines += ["", "| made-up files | folders | | MB before | listed | MB now |"]
    lines.append("|---:|---:|---|---:|---:|---:|")
    listed = document["before"]["listing"]
    for number, walked in enumerate(document["listing"]):
        for what in (
            each for each in walked if isinstance(walked[each], dict) and "peak_mb" in walked[each]
        ):
            old = listed[number].get(what, {}).get("peak_mb", "") if number < len(listed) else ""
            old = f"{old} of {listed[number]['files']:,}" if old else ""
            lines.append(
                f"| {walked['files']:,} | {walked['folders']:,} | {what} | {old} | "
                f"{walked[what]['per_processor_s']:,} a processor second | "
                f"{walked[what]['peak_mb']} |"
            )
    lines += [
        "",
        "| GPUs simulated | pictures/s asked | pictures/s done | GPUs busy | coordinator busy | "
        "file system busy |",
        "|---:|---:|---:|---:|---:|---:|",
    ]
    for each in document["simulated"]:
        busy = each["busy"]
        lines.append(
            f"| {each['gpus']} | {each['wanted_per_s']:,} | {each['pictures_per_s']:,} | "
            f"{busy['gpus']:.0%} | {busy['coordinator']:.0%} | {busy['files']:.0%} |"
        )
    return "\n".join(lines)


PICTURES: Final = (*FORMATS, "JPEG with more inside", "several frames")


def fuzz(document: Document) -> str:
    """The malformed inputs that every reader was given."""
    readers = document["readers"]
    slowest = max(reader["slowest_s"] for reader in readers.values())
    text = (
        f"{document['inputs']:,} malformed inputs tried on the readers of pictures, labels, "
        f"manifests, checkpoints and `--au`: {document['findings']} crashes, hangs or files "
        f"outside the output; the slowest took {slowest:.1f} s."
    )
    read = [
        f"{name} {tried['inputs'] - tried['refused']:,}"
        for name, tried in readers.items()
        if name in PICTURES
    ]
    return f"{text} Pictures that gave pixels in spite of it: {', '.join(read)}." if read else text


TABLES: dict[str, Callable[[Document], str]] = {
    "unfolding": unfolding,
    "cascade": models_by_measure,
    "ablation": models_by_measure,
    "switches": switches,
    "evaluation": evaluation,
    "judged": judged,
    "backends": backends,
    "photograph_speed": photograph_speed,
    "studio_preview": studio_preview,
    "endurance": endurance,
    "endurance_100000": endurance,
    "crash": crash,
    "shard_kills": shard_kills,
    "limits": limits,
    "processes": processes,
    "fuzz": fuzz,
    "gpu": gpu,
    "tensorrt_build": tensorrt_build,
    "training_step": training_step,
    "opponents": opponents,
    "opponents_w64": opponents,
    "scaling": scaling,
    "startup": startup,
}
# Tables that share their results with another.
SOURCES = {
    "judged": "photographs_judged",
}
# What not every machine can measure: shown where there are results, else its place is left empty.
OPTIONAL = {
    *("ablation", "cascade", "switches"),
    *("evaluation", "judged", "photograph_speed", "gpu"),
    "studio_preview",
    *("opponents", "opponents_w64"),
    *("scaling", "startup"),
}
