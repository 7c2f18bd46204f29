"""`efgan-rt bench --tune`: the best settings of this machine, kept for `batch`."""

from typing import Any

from efgan_rt.cli.bench import BenchRequest
from efgan_rt.cli.bench_ways import AUTO, STDOUT, opened, pictures_for
from efgan_rt.cli.console import print_json, print_text, remark, write_json
from efgan_rt.editing import OpenedSet
from efgan_rt.engine_sets import find_set
from efgan_rt.families.registry import family_of, read_properties
from efgan_rt.reporting.tuning_search import search
from efgan_rt.tuning import RunSettings, write_tuning
from engines.choice import choose_backend
from engines.directory import EngineDirectory


def run(request: BenchRequest) -> None:
    """Measures settings against each other and keeps the best where `batch` finds them.

    Raises:
        EfganError: a picture cannot be edited, or the result cannot be written.
        EngineError: the engines cannot be used.
    """
    engine_set = find_set(request.engines, request.model)
    remark(f"engines: {engine_set.directory} ({engine_set.reason})")
    directory = EngineDirectory(engine_set.directory)
    properties = read_properties(directory)
    smallest, _, largest = next(iter(directory.manifest.networks.values())).batch
    backend = request.backend[0] if request.backend else AUTO
    precision = request.precision[0] if request.precision else None
    choice = choose_backend(backend, directory, precision)
    remark(f"tuning {choice.reason}")

    def open_with(settings: RunSettings) -> OpenedSet:
        return opened(directory, choice, settings)

    target = family_of(directory).any_goal(properties)
    with pictures_for(request) as folder:
        found = search(
            open_with,
            target,
            folder,
            batches=(smallest, largest),
            on_processor=not choice.on_device,
            seconds=request.seconds,
            backend=choice.backend,
            say=remark,
        )
    about: dict[str, Any] = {
        "images_per_s": found.images_per_s,
        "images_per_s_by_default": found.images_per_s_by_default,
        "seconds": request.seconds,
    }
    path = write_tuning(engine_set.directory, choice, found.settings, about)
    document = {"file": str(path), "settings": vars(found.settings), **about}
    if request.json == STDOUT:
        print_json(document)
        return
    gain = found.images_per_s / found.images_per_s_by_default
    print_text(f"best: {found.settings}")
    print_text(f"{found.images_per_s:.1f} images/s, {gain:.2f} times the defaults'")
    print_text(f"kept for efgan-rt batch in {path}")
    if request.json is not None:
        write_json(request.json, document)
