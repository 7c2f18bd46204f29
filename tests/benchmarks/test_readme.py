"""The README and docs/: their figures are those of the results, and their commands exist."""

import re
import shlex
from pathlib import Path

import pytest
from typer.main import get_command

from benchmarks.kit import REPOSITORY
from benchmarks.readme import pages, rewritten
from efgan_rt.cli.app import app


def texts() -> dict[str, str]:
    return {str(path.relative_to(REPOSITORY)): path.read_text() for path in pages()}


def test_every_table_is_what_the_results_say() -> None:
    assert rewritten(texts()) == texts(), "run python -m benchmarks readme"


def test_every_command_and_option_that_they_show_exists() -> None:
    text = "\n".join(texts().values()).replace("\\\n", " ")
    shown = re.findall(r"^ {4}(efgan-rt .*)$", text, flags=re.MULTILINE)
    assert len(shown) >= 5
    group = get_command(app)
    for line in shown:
        words = shlex.split(line, comments=True)[1:]
        if words[0].startswith("-"):
            continue
        command = group.commands[words[0]]  # type: ignore[attr-defined]
        if hasattr(command, "commands"):  # presets
            command = command.commands[words[1]]
        known = {name for parameter in command.params for name in parameter.opts}
        unknown = {w for w in words if w.startswith("-") and w != "-" and w not in known}
        assert not unknown, line


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_every_file_that_a_page_links_to_is_there(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (page.parent / link).exists(), link


def test_the_readme_leads_to_every_page() -> None:
    readme = texts()["README.md"]
    assert [name for name in texts() if name != "README.md" and f"({name})" not in readme] == []


def test_a_stale_table_is_noticed() -> None:
    stale = texts()
    page = "docs/safety.md"
    stale[page] = re.sub(r"(begin: endurance -->\n)\d", r"\g<1>7", stale[page])
    assert stale != texts()
    assert rewritten(stale) == texts()


def test_a_table_that_is_on_two_pages_is_named() -> None:
    twice = texts()
    twice["docs/train.md"] += "<!-- begin: crash -->\n<!-- end: crash -->\n"
    with pytest.raises(AssertionError, match="the table 'crash' is on"):
        rewritten(twice)
