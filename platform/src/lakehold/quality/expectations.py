"""Turns rules into expectations of the installed Great Expectations, and says what is wrong with the others."""

from __future__ import annotations

import contextlib
import difflib
import importlib.util
import inspect
import io
import re
import sys
from collections.abc import Iterator
from typing import Any

from lakehold.errors import ConfigError
from lakehold.quality.suite import CONDITION, QUERY, Rule, Suite

_INTERNAL = {
    "id",
    "batch_id",
    "description",
    "meta",
    "notes",
    "result_format",
    "catch_exceptions",
    "rendered_content",
    "severity",
    "windows",
}
"""What every expectation has and a suite says in its own words, or not at all."""


def great_expectations(*, with_spark: bool = False) -> Any:
    """Import Great Expectations; without Spark's Python API, which it would import whole, when nothing needs it."""
    if not with_spark:
        sys.modules.setdefault("pyspark", None)  # type: ignore[arg-type]  # None is how Python marks a module as absent
    _import_when_used("scipy.stats")
    import great_expectations as gx

    return gx


def _import_when_used(name: str) -> None:
    """Put off the import of a module: a third of the time that Great Expectations takes to import is this one."""
    if name in sys.modules:
        return  # only to ask where it comes from would load it
    spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        return
    spec.loader = loader = importlib.util.LazyLoader(spec.loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    loader.exec_module(module)
    parent, _, child = name.rpartition(".")
    setattr(sys.modules[parent], child, module)


def expectation(gx: Any, rule: Rule, path: str = "", *, spark: bool = False) -> Any:
    """Build the expectation of ``rule``; :class:`ConfigError` naming ``path`` when Great Expectations refuses it."""
    where = path or f"the rule {rule.id}"
    if rule.expect in (QUERY, CONDITION):
        # It prints a warning about a query it thinks has no {batch}; suites are checked for that when they are read.
        with contextlib.redirect_stdout(io.StringIO()):
            return gx.expectations.UnexpectedRowsExpectation(unexpected_rows_query=query(rule, spark=spark))
    kind = _kind(gx, rule.expect)
    if kind is None:
        raise ConfigError(
            f"{where}: {rule.expect} is not an expectation of Great Expectations {gx.__version__}.",
            why=_close(gx, rule.expect),
            remedy="correct `expect`; an example is expect_column_values_to_not_be_null",
        )
    known = set(kind.__fields__) - _INTERNAL
    if unknown := sorted(set(rule.arguments) - known):
        raise ConfigError(
            f"{where}: {rule.expect} has no argument {unknown[0]}.",
            why=f"its arguments are {', '.join(sorted(known))}",
            remedy="correct `with`",
        )
    try:
        return kind(**rule.arguments)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{where}: the arguments of {rule.expect} are wrong.", why=str(error)) from error


def query(rule: Rule, *, spark: bool = False) -> str:
    """Return the query for the rows that break a rule given as SQL, as Great Expectations reads it."""
    if rule.expect == QUERY:
        text = str(rule.arguments["query"])
    else:
        condition = str(rule.arguments["condition"]).replace("{", "{{").replace("}", "}}")
        text = f"SELECT * FROM {{batch}} WHERE ({condition})"  # noqa: S608 - a suite is code: reviewed
    # On SQL it takes ':name' for a parameter, even within a text.
    return text if spark else text.replace(":", "\\:")


def problems(gx: Any, suite: Suite) -> Iterator[str]:
    """Yield what the installed Great Expectations does not understand in ``suite``, each with its path."""
    for number, table in enumerate(suite.tables):
        for position, rule in enumerate(table.rules):
            try:
                expectation(gx, rule, f"{suite.name}.tables[{number}].rules[{position}] ({rule.id})")
            except ConfigError as error:
                yield str(error)


def _kind(gx: Any, name: str) -> Any:
    kind = getattr(gx.expectations, _names(gx).get(name.replace("_", "").lower(), ""), None)
    return kind if inspect.isclass(kind) and name.startswith("expect_") else None


def _names(gx: Any) -> dict[str, str]:
    return {one.lower(): one for one in dir(gx.expectations) if one.startswith("Expect")}


def _close(gx: Any, name: str) -> str:
    known = [_snake(one) for one in _names(gx).values()]
    found = difflib.get_close_matches(name, known, n=1)
    return f"the closest it has is {found[0]}" if found else ""


def _snake(camel: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", camel).lower()
