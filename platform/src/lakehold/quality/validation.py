"""Runs a suite's rules on Trino with Great Expectations and says for each whether it is met."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from lakehold.config.platform import TrinoAddress
from lakehold.errors import ConfigError, LakeholdError
from lakehold.quality.suite import QUERY, Rule, Suite, TableRules

USER = "gates"
_EXAMPLES = 5
_SUMMARY = {"result_format": "SUMMARY", "partial_unexpected_count": _EXAMPLES}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One rule, whether the rows meet it, and when not, what was seen."""

    table: str
    rule: Rule
    met: bool
    seen: str = ""

    @property
    def blocks(self) -> bool:
        """Whether this finding stops the run."""
        return not self.met and self.rule.severity == "block"


def run(suite: Suite, address: TrinoAddress) -> Iterator[Finding]:
    """Evaluate every rule of ``suite``, table by table.

    Raises :class:`LakeholdError` when a rule could not be evaluated: that is neither met nor broken.
    """
    gx = _import_gx()
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    for table in suite.tables:
        yield from _run_table(gx, context, table, address)


def _import_gx() -> Any:
    # Great Expectations imports all of Spark's Python API when it finds it; a gate only ever talks to Trino.
    sys.modules.setdefault("pyspark", None)  # type: ignore[arg-type]  # None is how Python marks a module as absent
    import great_expectations

    return great_expectations


def _run_table(gx: Any, context: Any, table: TableRules, address: TrinoAddress) -> Iterator[Finding]:
    batch = _batch(context, table, address)
    # Yes or no takes one query for most rules together; only what failed is asked again, for numbers and examples.
    expectations = {rule.id: _expectation(gx, rule) for rule in table.rules}
    outcome = _validate(gx, batch, list(expectations.values()), "BOOLEAN_ONLY")
    met = {rule.id: _success(rule, table, outcome[rule.id]) for rule in table.rules}
    details: dict[str, Any] = {}
    for detail, queries in (("COMPLETE", True), (_SUMMARY, False)):
        broken = [rule for rule in table.rules if not met[rule.id] and (rule.expect == QUERY) is queries]
        if broken:
            details |= _validate(gx, batch, [expectations[rule.id] for rule in broken], detail)
    for rule in table.rules:
        seen = "" if met[rule.id] else _seen(details[rule.id])
        yield Finding(table=table.name, rule=rule, met=met[rule.id], seen=seen)


def _batch(context: Any, table: TableRules, address: TrinoAddress) -> Any:
    # The schema is in the address and the table's name is bare: otherwise no expectation about a column finds it.
    login = f"{USER}:{quote(address.passwords[USER], safe='')}@{address.host}:{address.port}"
    source = context.data_sources.add_sql(
        name=table.name,
        connection_string=f"trino://{login}/{address.catalog}/{table.schema}",
        kwargs={"connect_args": {"http_scheme": "https", "verify": address.ca, "source": "lakehold-gate"}},
    )
    condition = f" WHERE {table.rows}" if table.rows else ""
    query = f"SELECT * FROM {table.table}{condition}"  # noqa: S608 - a suite is code: reviewed, and run read-only
    asset = source.add_query_asset(name=table.table, query=query)
    return asset.add_batch_definition_whole_table(name="interval").get_batch()


def _expectation(gx: Any, rule: Rule) -> Any:
    meta = {"id": rule.id}
    if rule.expect == QUERY:
        return gx.expectations.UnexpectedRowsExpectation(unexpected_rows_query=rule.arguments["query"], meta=meta)
    name = "".join(part.capitalize() for part in rule.expect.split("_"))
    kind = getattr(gx.expectations, name, None)
    if kind is None:
        raise ConfigError(
            f"The rule {rule.id} uses {rule.expect}, which Great Expectations {gx.__version__} does not have.",
            remedy=f"correct `expect` of {rule.id}; an example is expect_column_values_to_not_be_null",
        )
    try:
        return kind(**rule.arguments, meta=meta)
    except ValueError as error:
        raise ConfigError(f"The arguments of the rule {rule.id} are wrong.", why=str(error)) from error


def _validate(gx: Any, batch: Any, expectations: list[Any], result_format: str | dict[str, Any]) -> dict[str, Any]:
    suite = gx.ExpectationSuite(name="gate", expectations=expectations)
    outcome = batch.validate(suite, result_format=result_format)
    return {result.expectation_config.meta["id"]: result for result in outcome.results}


def _success(rule: Rule, table: TableRules, result: Any) -> bool:
    if message := _exception(result):
        raise LakeholdError(
            f"The rule {rule.id} on {table.name} could not be evaluated.", why=message, remedy="lakehold doctor"
        )
    return bool(result.success)


def _exception(result: Any) -> str:
    info = result.exception_info or {}
    several = [info] if "raised_exception" in info else list(info.values())
    return next((str(one["exception_message"]) for one in several if one.get("raised_exception")), "")


def _seen(result: Any) -> str:
    values = result.result
    parts = []
    if "unexpected_count" in values:
        share = values.get("unexpected_percent") or 0.0
        parts.append(f"{values['unexpected_count']} of {values['element_count']} rows ({share:.2f} %)")
        examples = values.get("partial_unexpected_list")
        parts.extend([f"for example {', '.join(map(str, examples))}"] if examples else [])
    elif "observed_value" in values:
        parts.append(f"{values['observed_value']} found")
    rows = (values.get("details") or {}).get("unexpected_rows")
    parts.extend(", ".join(f"{key} {value}" for key, value in row.items()) for row in (rows or [])[:_EXAMPLES])
    return "; ".join(parts)
