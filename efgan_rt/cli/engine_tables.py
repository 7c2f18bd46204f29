"""What `build-engines` ends with: how far the networks are from PyTorch, and what was made of them.

Plans of TensorRT's and int8 files of OpenVINO's have a table each.
"""

from pathlib import Path

from rich.table import Table

from engines.manifest import Int8Facts, Manifest


def print_engines(manifest: Manifest, directory: Path, *, current: bool) -> None:
    """Prints parity, then the plans if there are any, and last the directory."""
    from efgan_rt.cli.console import print_table, print_text

    print_table(_parity_table(manifest))
    if manifest.plans is not None:
        print_table(_plans_table(manifest))
        if manifest.precision == "fp32":
            print_text(
                "these plans compute in FP32; for half: efgan-rt build-engines "
                f"{directory} --precision fp16"
            )
    if manifest.int8 is not None:
        print_table(_int8_table(manifest, manifest.int8))
    print_text(f"{directory}{' (now the current engines)' if current else ''}")


def _parity_table(manifest: Manifest) -> Table:
    """A row for each figure of each network, as measured against PyTorch."""
    title = f"Parity with PyTorch: {manifest.precision} graphs, {manifest.weights} weights"
    table = Table(title=title, title_justify="left")
    table.add_column("network")
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_column("MB", justify="right")
    for network in manifest.networks.values():
        head = network.name, f"{network.bytes / 1e6:.2f}"
        for figure, value in network.parity.items():
            table.add_row(head[0], figure, f"{value:.3g}", head[1])
            head = "", ""
    return table


def _int8_table(manifest: Manifest, facts: Int8Facts) -> Table:
    """A row for each quantised network, and in the title what int8 costs."""
    parity = facts.parity
    title = (
        f"int8 by NNCF {facts.nncf}: of fp32's pixels {parity['worst_pixels_psnr_db']:.1f} dB at "
        f"worst, {parity['mean_pixels_psnr_db']:.1f} on average of {parity['edits']:.0f} edits"
    )
    table = Table(title=title, title_justify="left")
    for heading in ("network", "convolutions in int8", "left alone", "MB"):
        table.add_column(heading, justify="left" if heading == "network" else "right")
    for name, network in manifest.networks.items():
        if network.int8 is None:
            continue
        made = facts.settings["networks"][name]
        alone, size = len(made["left_alone"]), network.int8.weights.bytes / 1e6
        table.add_row(name, str(made["convolutions"]), str(alone), f"{size:.2f}")
    return table


def _plans_table(manifest: Manifest) -> Table:
    """A row for each network: what it took to compile, and what came of it."""
    plans = manifest.plans
    assert plans is not None
    place = plans.gpu or "ahead of time, without a GPU"
    table = Table(title=f"{plans.library} {plans.version}: {place}", title_justify="left")
    for heading in ("network", "batch", "seconds", "plan MB", "layers", "in half"):
        table.add_column(heading, justify="left" if heading == "network" else "right")
    for name, network in manifest.networks.items():
        assert network.plan is not None
        facts = plans.settings["networks"][name]
        half = facts["convolutions"] if manifest.precision == "fp16" else 0
        table.add_row(
            name,
            ":".join(map(str, network.batch)),
            f"{facts['seconds']:.1f}",
            f"{network.plan.bytes / 1e6:.2f}",
            str(facts["layers"]),
            f"{half} convolutions",
        )
    return table
