from __future__ import annotations

import errno
import re

import click
import pytest
from lakehold.cli import main as entry
from lakehold.cli.env import client_environment
from lakehold.cli.main import VERBS, cli
from lakehold.errors import ConfigError, LakeholdError, StartError


def commands() -> list[tuple[str, click.Command]]:
    found = []
    for verb in VERBS:
        found.append((str(verb.name), verb))
        if isinstance(verb, click.Group):
            found.extend((f"{verb.name} {name}", command) for name, command in verb.commands.items())
    return found


def test_the_verbs_of_the_platform_are_all_there():
    assert {"up", "down", "status", "logs", "doctor", "env", "sql", "run", "lineage", "pins"} <= set(cli.commands)


@pytest.mark.parametrize("name", ["up", "down", "status", "logs", "doctor", "env", "sql"])
def test_help_teaches_by_example(name):
    text = cli.commands[name].get_help(click.Context(cli.commands[name], info_name=name))
    assert "Examples:" in text
    assert f"lakehold {name}" in text


@pytest.mark.parametrize(("name", "command"), commands())
def test_every_option_says_what_it_does(name, command):
    assert command.help, name
    for parameter in command.params:
        if isinstance(parameter, click.Option) and parameter.name != "form":
            assert parameter.help, f"{name} {parameter.opts}"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("what", why="why", remedy="remedy"), 3),
        (StartError("what"), 5),
        (LakeholdError("what"), 1),
        (click.UsageError("what"), 2),
        (KeyboardInterrupt(), 130),
        (OSError(errno.ENOSPC, "what"), 5),
        (PermissionError(errno.EACCES, "what"), 3),
    ],
)
def test_errors_become_a_message_and_an_exit_code(monkeypatch, capsys, error, code):
    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(entry.cli, "main", fail)
    with pytest.raises(SystemExit) as raised:
        entry.main()
    assert raised.value.code == code
    if not isinstance(error, KeyboardInterrupt):
        assert "what" in capsys.readouterr().err


def test_env_names_what_clients_read_and_never_the_mark(tmp_path):
    from lakehold.components.registry import COMPONENTS
    from lakehold.config.settings import Settings
    from lakehold.local.site import load_site

    site = load_site(Settings(), tmp_path, components=COMPONENTS)
    values = client_environment(site, "analyst")
    assert values["TRINO_PASSWORD"] == site.secrets["trino.analyst"]
    assert values["PGPORT"] == str(site.ports["postgres"])
    assert values["AWS_ENDPOINT_URL_S3"].endswith(str(site.ports["objectstore"]))
    assert values["PYICEBERG_CATALOG__LAKEHOUSE__S3__ACCESS_KEY_ID"] == "engine"
    assert "LAKEHOLD_PROCESS" not in values
    administrators = {site.secrets[name] for name in ("postgres.superuser", "s3.root", "trino.admin")}
    assert not administrators & set(values.values())


@pytest.mark.parametrize(("name", "command"), commands(), ids=lambda value: value if isinstance(value, str) else "")
def test_help_keeps_the_lines_of_its_examples(name: str, command: click.Command) -> None:
    text = command.get_help(click.Context(command, info_name=name))
    assert "\\b" not in text
    # An example begins its line; in a paragraph that was wrapped it stands somewhere in the middle.
    assert not [line for line in text.splitlines() if re.search(r"\S {2,}lakehold ", line)]
