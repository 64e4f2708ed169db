"""Every `lakehold …` and `make …` that the documentation shows is one that exists, with options that exist."""

import re
import shlex
from pathlib import Path

import click
import pytest
from lakehold.cli.main import cli

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def shown(program: str) -> list[tuple[str, str]]:
    """Every command line of shell blocks, and of code within sentences, that starts with the program."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        lines = [line for block in blocks for line in block.splitlines()]
        lines += re.findall(rf"`((?:[A-Z_]+=\S+ )*{program} [^`]*)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
        lines += [inner for line in lines for inner in re.findall(rf"\$\(({program} [^)]*)\)", line)]
        for line in lines:
            # `[--json]` says that an option may be left out.
            words = re.sub(r"^([A-Z_]+=\S+ )+", "", line.strip()).replace("[-", "-").replace("]", "")
            if words.startswith(f"{program} ") and "|" not in words.split("#")[0] and "…" not in words:
                found.append((page.relative_to(ROOT).as_posix(), words))
    return found


@pytest.mark.parametrize(("page", "line"), shown("lakehold"))
def test_lakehold(page: str, line: str) -> None:
    command: click.Command = cli
    words = shlex.split(line, comments=True)[1:]
    if not words:
        return
    context = click.Context(cli, info_name="lakehold")
    while isinstance(command, click.Group) and words:
        name = words.pop(0)
        inner = command.get_command(context, name)
        assert inner is not None, f"{page}: there is no {name!r}"
        command = inner
    if isinstance(command, click.Group) or not words:
        return  # named, not called
    # Reads the words and refuses what it does not know, without doing anything.
    command.make_context(command.name, words, parent=context)


@pytest.mark.parametrize(("page", "line"), shown("make"))
def test_make(page: str, line: str) -> None:
    verbs = re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    verb = shlex.split(line, comments=True)[1]
    assert verb in verbs, page
