"""`efgan-rt bench --tune`: the best settings of this machine, kept for `batch`."""

from typing import Any

from efgan_rt.cascade import CascadeEngines
from efgan_rt.cascade_properties import AU_ESTIMATOR, read_properties
from efgan_rt.cli.bench_ways import AUTO, STDOUT, BenchRequest, opened, pictures_for
from efgan_rt.cli.console import print_json, print_text, remark, write_json
from efgan_rt.engine_sets import find_set
from efgan_rt.expressions import target_for
from efgan_rt.reporting.tuning_search import search
from efgan_rt.tuning import RunSettings, write_tuning
from engines.manifest import read_manifest
from engines.open import DEVICE_BACKENDS, choose_backend


def tune(request: BenchRequest) -> None:
    """Measures settings against each other and keeps the best where `batch` finds them.

    Raises:
        EfganError: a picture cannot be edited, or the result cannot be written.
        EngineError: the engines cannot be used.
    """
    engine_set = find_set(request.engines)
    remark(f"engines: {engine_set.directory} ({engine_set.reason})")
    manifest = read_manifest(engine_set.directory)
    properties = read_properties(engine_set.directory, manifest)
    smallest, _, largest = manifest.network(AU_ESTIMATOR).batch
    backend = request.backends[0] if request.backends else AUTO
    precision = request.precisions[0] if request.precisions else None
    choice = choose_backend(backend, manifest, precision, engine_set.directory)
    wish = None if choice.backend in DEVICE_BACKENDS else choice.precision
    remark(f"tuning {choice.reason}")

    def open_with(settings: RunSettings) -> CascadeEngines:
        return opened(engine_set, choice.backend, wish, settings)

    expression = next(iter(properties.expressions), None)
    target = target_for(properties.expressions, properties.au_names, expression=expression, au=None)
    with pictures_for(request) as folder:
        found = search(
            open_with,
            target,
            folder,
            batches=(smallest, largest),
            on_processor=choice.backend not in DEVICE_BACKENDS,
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
