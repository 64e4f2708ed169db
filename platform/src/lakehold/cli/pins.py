"""``lakehold pins``: list, fetch and verify what Lakehold is made of, and say what is behind."""

from __future__ import annotations

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import click

from lakehold.cli.context import ERR, OUT
from lakehold.errors import ArtifactError
from lakehold.release.progress import megabytes, showing
from lakehold.release.store import Store

_NAMES = click.argument("names", nargs=-1, metavar="[NAME]...")
_AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON, one document, instead of a table.")
_SHOWN = 20
"""Most files named for one artifact."""


@click.group()
def pins() -> None:
    """What Lakehold is made of: versions, sums, licences; fetched once, verified any time.

    Names are those of artifacts (platform/pins.toml) and of Python environments (platform/locks).
    """


@pins.command("list")
@_AS_JSON
def list_(as_json: bool) -> None:
    """Every pin with its version, licence and origin, and whether it is in the store."""
    store = Store.default()
    lacking, unbuilt = store.missing(store.pins.artifacts, store.pins.envs)
    rows: list[dict[str, Any]] = [
        {
            "name": pin.name,
            "group": pin.group,
            "version": pin.version,
            "license": pin.license,
            "origin": pin.origin,
            "bytes": pin.size,
            "stored": pin.name not in lacking,
            "reason": pin.reason,
        }
        for pin in store.pins.artifacts.values()
    ]
    environments = [
        {"name": env.name, "lock": f"locks/{env.name}.txt", "stored": env.name not in unbuilt, "reason": env.reason}
        for env in store.pins.envs.values()
    ]
    if as_json:
        click.echo(
            json.dumps({"store": str(store.layout.root), "artifacts": rows, "environments": environments}, indent=2)
        )
        return
    keys = ("name", "version", "license", "origin")
    lines = [[str(row[key]) for key in keys] + [megabytes(row["bytes"]), _yes(row["stored"])] for row in rows]
    lines += [[str(row["name"]), "", "", str(row["lock"]), "", _yes(row["stored"])] for row in environments]
    _columns([["name", "version", "licence", "origin", "size", "stored"], *lines])
    OUT.print(f"\nThe store is {store.layout.root}.", highlight=False, soft_wrap=True)


@pins.command()
@_NAMES
@click.option("--again", is_flag=True, help="Check what is there, and fetch anew what is not as pinned.")
@click.option("--with-tests", is_flag=True, help="With what only the tests use.")
def fetch(names: tuple[str, ...], again: bool, with_tests: bool) -> None:
    """Bring what is missing into the store: everything, or NAMES and what they need.

    An interrupted fetch goes on where it stopped. What is there already is not looked at, unless with --again.
    """
    store = Store.default()
    groups = ("runtime", "build", "data", *(["test"] if with_tests else []))
    artifacts, environments = _split(store, names or (*store.pins.group(*groups), *store.pins.envs))
    if again:
        lacking, unbuilt = store.missing(artifacts, environments)
        there = [name for name in (*artifacts, *environments) if name not in (*lacking, *unbuilt)]
        for name, words in _check(store, there).items():
            if words:
                ERR.print(f"{name}: not as pinned, fetched anew", highlight=False)
                store.remove(name)
    with showing(ERR) as progress:
        store.ensure(artifacts, environments, progress, cached=not again)


@pins.command()
@_NAMES
def verify(names: tuple[str, ...]) -> None:
    """Compare every file in the store with its pin, or those of NAMES; exit 4 when one differs.

    What has not been fetched yet is not an error here, unless it is named.
    """
    store = Store.default()
    artifacts, environments = _split(store, names or (*store.pins.artifacts, *store.pins.envs))
    lacking, unbuilt = store.missing(artifacts, environments)
    absent = [name for name in (*artifacts, *environments) if name in (*lacking, *unbuilt)]
    results = _check(store, [name for name in (*artifacts, *environments) if name not in absent])
    for name, words in results.items():
        OUT.print(f"{name:<24}{'[red]tampered[/]' if words else '[green]as pinned[/]'}", highlight=False)
        for word in words[:_SHOWN]:
            OUT.print(f"    {word}", highlight=False, markup=False, soft_wrap=True)
        if len(words) > _SHOWN:
            OUT.print(f"    and {len(words) - _SHOWN} more", highlight=False)
    for name in absent:
        OUT.print(f"{name:<24}not in the store", highlight=False)
    wrong = [name for name, words in results.items() if words] + (absent if names else [])
    if wrong:
        raise ArtifactError(
            f"Not as pinned: {', '.join(wrong)}.",
            why=f"something changed or removed files in {store.layout.root}",
            remedy=f"lakehold pins fetch --again {' '.join(wrong)}",
        )


@pins.command()
@_AS_JSON
def outdated(as_json: bool) -> None:
    """Ask the registries for newer versions of every pin, and of what the environments pin directly."""
    # The registries' clients are slow to import, and no other verb needs them.
    from lakehold.release.outdated import outdated as ask

    standings = ask(Store.default())
    behind = [standing for standing in standings if standing.behind]
    if as_json:
        rows = [{"name": s.name, "pinned": s.pinned, "newest": s.newest, "where": s.where} for s in behind]
        click.echo(json.dumps(rows, indent=2))
        return
    _columns([[s.name, s.pinned, "→", s.newest, s.where, s.reason] for s in behind])
    OUT.print(f"{len(behind)} of {len(standings)} pins are behind their registry.", highlight=False)


def _split(store: Store, names: Iterable[str]) -> tuple[list[str], list[str]]:
    """Names of artifacts, and names of environments."""
    chosen = list(dict.fromkeys(names))
    environments = [name for name in chosen if name in store.pins.envs]
    return [store.pins.artifact(name).name for name in chosen if name not in store.pins.envs], environments


def _check(store: Store, names: list[str]) -> dict[str, list[str]]:
    with ThreadPoolExecutor(max_workers=4) as pool:
        return dict(zip(names, pool.map(store.verify, names), strict=True))


def _columns(rows: list[list[str]]) -> None:
    """Aligned, never cut: this is read in logs as well."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _yes(value: object) -> str:
    return "yes" if value else "no"
