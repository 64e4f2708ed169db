"""Compare what Spark and Trino say of columns, and what we make of it, with graphs drawn by hand.

    python bench/lineage_accuracy.py [--engine spark] [--keep FOLDER] [--seconds S]

Starts the lineage service, Trino and what they need in a state directory of its own that is removed afterwards, runs
every golden statement below `tests/golden/` on the real engines, whose listeners post to the service, and writes
`docs/reference/lineage-accuracy.md` when all statements were run. Prints the counts as JSON; ends with exit code 1 when
one of our graphs is not the one drawn by hand, or an engine refused a statement.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(CHECKOUT / "tests" / "harness"))

from lakehold.lineage.model import WHOLE  # noqa: E402 - the harness is found by the line before

if TYPE_CHECKING:
    from engine_lineage import Believed, Told
    from golden import Case
    from lakehold.lineage.model import ColumnEdge

PAGE = CHECKOUT / "docs" / "reference" / "lineage-accuracy.md"
_ON_SPARK, _ON_TRINO = ("spark", "frames"), ("trino", "dbt")
"""Kinds of statements (folders below `tests/golden/`) that each engine runs."""
_LAKEHOLD = [sys.executable, "-m", "lakehold.cli.main"]


@dataclass(frozen=True)
class Row:
    """How one statement was told."""

    engine: str
    name: str
    kind: str
    own: str
    ours: str
    believed: str
    differences: Sequence[str] = ()

    @property
    def right(self) -> bool:
        """Whether ours is the graph drawn by hand."""
        return self.ours == "exact"


def grade(edges: frozenset[ColumnEdge], golden: frozenset[ColumnEdge]) -> str:
    """Say how near ``edges`` are; expressions are not compared, for a person writes them in a way of their own."""
    found, wanted = {_key(edge) for edge in edges}, {_key(edge) for edge in golden}
    if found == wanted:
        return "exact"
    if not found:
        return "nothing"
    values, wanted_values = _values(edges), _values(golden)
    if values == wanted_values:
        return "values"
    return f"{len(wanted_values - values)} missing, {len(values - wanted_values)} wrong"


def _key(edge: ColumnEdge) -> tuple[Any, ...]:
    return edge.source, edge.target, edge.how


def _values(edges: Iterable[ColumnEdge]) -> set[tuple[Any, Any]]:
    return {(edge.source, edge.target) for edge in edges if edge.direct}


def differences(edges: frozenset[ColumnEdge], golden: frozenset[ColumnEdge]) -> list[str]:
    """List what is missing and what is too much."""
    found, wanted = {_key(edge) for edge in edges}, {_key(edge) for edge in golden}
    signs = (("-", wanted - found), ("+", found - wanted))
    return [
        f"{sign} {source.table.name}.{source.name} -> {target.table.name}.{target.name} {how}"
        for sign, keys in signs
        for source, target, how in sorted(keys)
    ]


def compare(case: Case, told: Told, own: frozenset[ColumnEdge], ours: Believed) -> Row:
    """Grade one statement."""
    if told.error:
        return Row(case.engine, case.name, case.kind, "refused", "refused", "", [told.error])
    # What the statement alone does not tell, the engine may know: no mistake, but no word of the statement either.
    beyond = {edge for edge in ours.edges - case.edges if edge.target.name in case.unknown or WHOLE in case.unknown}
    known = {edge.target.name for edge in beyond}
    grade_of_ours, found = grade(ours.edges - beyond, case.edges), differences(ours.edges - beyond, case.edges)
    for column in sorted(case.unknown.keys() - ours.unknown.keys() - known):
        if column or not beyond:
            grade_of_ours, found = "not said to be unknown", [*found, f"- {column} is unknown"]
    believed = "+".join(sorted(set(ours.by.values())))
    own_grade = grade(own, case.edges)
    return Row(case.engine, case.name, case.kind, own_grade, grade_of_ours, believed, found)


def measure(engines: Sequence[str], seconds: float, keep: Path) -> None:
    """Run the statements on engines of their own, and keep what was told of them."""
    until = time.time() + seconds
    with tempfile.TemporaryDirectory(prefix="lakehold-bench-") as folder:
        # PostgreSQL runs as another user when root starts it, so the way to its files must be open.
        Path(folder).chmod(0o755)
        os.environ["LAKEHOLD_STATE"] = str(Path(folder) / "state")
        from lakehold.cli.context import Context

        try:
            needed = sorted({"trino" if engine in _ON_TRINO else "spark" for engine in engines})
            subprocess.run([*_LAKEHOLD, "up", "lineage", *needed], cwd=CHECKOUT, stdout=sys.stderr, check=True)
            run(Context().existing_site(), engines, until, Path(folder), keep)
        finally:
            subprocess.run([*_LAKEHOLD, "down"], cwd=CHECKOUT, stdout=sys.stderr, check=True)


def run(site: Any, engines: Sequence[str], until: float, folder: Path, keep: Path) -> None:
    """Run the statements on a site, those that were not run before; what was told is kept in a file of each."""
    import engine_lineage
    import golden

    for on_engine, kinds in ((engine_lineage.on_spark, _ON_SPARK), (engine_lineage.on_trino, _ON_TRINO)):
        cases = [case for kind in engines if kind in kinds for case in golden.cases(kind)]
        wanted = [case for case in cases if not (case.unrun or _kept(keep, case).is_file())]
        for case, one in on_engine(site, wanted, golden.tables(kinds[0]), folder, until) if wanted else ():
            text = json.dumps({"error": one.error, "events": one.events})
            _kept(keep, case).write_text(text, encoding="utf-8")


def _kept(folder: Path, case: Case) -> Path:
    return folder / f"{case.engine}.{case.name}.json"


def graded(engines: Sequence[str], kept: Path) -> list[Row]:
    """Grade the statements by what was told of them."""
    import engine_lineage
    import golden

    rows: list[Row] = []
    for engine in engines:
        cases = [case for case in golden.cases(engine) if _kept(kept, case).is_file()]
        texts = {engine_lineage.key(case): _kept(kept, case).read_text(encoding="utf-8") for case in cases}
        told = {name: engine_lineage.Told(**json.loads(text)) for name, text in texts.items()}
        rows += grades(cases, told, golden.CATALOG)
    return rows


def grades(cases: Sequence[Case], told: Mapping[str, Told], catalog: str) -> list[Row]:
    """Grade the cases of an engine by what was told of them."""
    import engine_lineage
    import golden

    names = engine_lineage.Names(catalog, told.values())
    rows = []
    for case in cases:
        one = told[engine_lineage.key(case)]
        columns = golden.columns(case)
        own = engine_lineage.own(case, one, names)
        rows.append(compare(case, one, own, engine_lineage.ours(case, one, names, columns)))
    return rows


def counts(rows: Sequence[Row]) -> dict[str, dict[str, int]]:
    """Count the grades of each engine."""
    found: dict[str, dict[str, int]] = {}
    for engine in dict.fromkeys(row.engine for row in rows):
        own = [row.own for row in rows if row.engine == engine]
        found[engine] = {
            "statements": len(own),
            "own_exact": own.count("exact"),
            "own_values_right": own.count("exact") + own.count("values"),
            "own_nothing": own.count("nothing"),
            "ours_exact": sum(row.right for row in rows if row.engine == engine),
        }
    return found


_TITLES = {"spark": "Spark SQL", "frames": "Spark DataFrames", "trino": "Trino", "dbt": "dbt on Trino"}


def page(rows: Sequence[Row]) -> str:
    """Render the page."""
    import golden

    summary = "".join(
        f"| {_TITLES[engine]} | {n['statements']} | {n['own_exact']} | {n['own_values_right']} | {n['own_nothing']} "
        f"| {n['ours_exact']} |\n"
        for engine, n in counts(rows).items()
    )
    sections = "\n".join(
        f"## {_TITLES[engine]}\n\n| statement | kind | own | ours | believed |\n| --- | --- | --- | --- | --- |\n"
        + "".join(
            f"| {row.name} | {row.kind} | {row.own} | {row.ours} | {row.believed} |\n"
            for row in rows
            if row.engine == engine
        )
        for engine in dict.fromkeys(row.engine for row in rows)
    )
    unrun = "".join(
        f"- *{case.name}* ({_TITLES[engine]}) was not run, only its text read: {case.unrun}.\n"
        for engine in _TITLES
        for case in golden.cases(engine)
        if case.unrun
    )
    return f"""# How right lineage is: the engines' own, and ours

Written by `python bench/lineage_accuracy.py` on {datetime.now(UTC):%Y-%m-%d}, which runs every statement below
`tests/golden/` on the real Spark 4.1.4 (OpenLineage 1.53.0) and Trino 476. Each has a column graph that a person drew
from its meaning; what the engine itself told of columns (*own*) and what Lakehold made of the same events (*ours*) are
compared with it, edge by edge.

| engine | statements | own exact | own: sources of values right | own: nothing told | ours exact |
| --- | --- | --- | --- | --- | --- |
{summary}
- **exact**: every edge and no other: which column is in which (as it is, transformed, aggregated), and which columns
  decide about rows (join, filter, group, sort) or about a value (window, condition).
- **values**: for each column its source columns and no other, but not how they get there, or what decides about rows.
- **n missing, m wrong**: sources of values that are not told, or that are none.
- **believed**: whose word the graph has: the engine's `facet`, or the statement's `sql` as we read it
  (`lineage/columns/believe.py`). What neither can know, such as the value of a Python function, is said to be unknown
  with its reason, and never guessed.
{unrun}
{sections}"""


def main() -> None:
    """Print the counts, write the page, and fail when a graph of ours is not the one drawn by hand."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=list(_TITLES), action="append", help="only these statements, and no page")
    parser.add_argument("--keep", type=Path, help="keep what the engines told in this folder; a next run goes on there")
    parser.add_argument("--seconds", type=float, default=3600, help="begin no statement after this time; 0: only grade")
    chosen = parser.parse_args()
    engines = chosen.engine or list(_TITLES)
    with tempfile.TemporaryDirectory() as folder:
        keep = chosen.keep or Path(folder)
        keep.mkdir(parents=True, exist_ok=True)
        if chosen.seconds:
            measure(engines, chosen.seconds, keep)
        rows = graded(engines, keep)
    wrong = [row for row in rows if not row.right]
    for row in wrong:
        sys.stderr.write(f"{row.engine} {row.name}: {row.ours}\n" + "".join(f"  {line}\n" for line in row.differences))
    print(json.dumps(counts(rows), indent=2))  # noqa: T201 - its output
    if not chosen.engine and complete(rows):
        PAGE.write_text(page(rows), encoding="utf-8")
    sys.exit(1 if wrong else 0)


def complete(rows: Sequence[Row]) -> bool:
    """Whether every golden statement that can be was run."""
    import golden

    return len(rows) == sum(not case.unrun for engine in _TITLES for case in golden.cases(engine))


if __name__ == "__main__":
    main()
