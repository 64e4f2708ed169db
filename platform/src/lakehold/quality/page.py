"""The report page of a gate: one file that needs no other, so that it opens without a network."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from lakehold.quality.finding import Finding
from lakehold.quality.outcome import Outcome

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8882 }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.5rem; margin: 0 } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem } p { margin: .3rem 0 }
table { border-collapse: collapse; width: 100% } caption { text-align: left; font-weight: 600; padding: .3rem 0 }
th, td { text-align: left; vertical-align: top; padding: .35rem .6rem; border-bottom: 1px solid var(--line) }
th:nth-child(4), th:nth-child(5), td.n { text-align: right; font-variant-numeric: tabular-nums }
code { font-size: .92em }
.word { font-weight: 600; padding: .05rem .5rem; border-radius: .3rem; white-space: nowrap }
.ok { background: #2a93401f; color: #2a9340 } .quarantined { background: #2d6cdf1f; color: #2d6cdf }
.warn { background: #b975001f; color: #b97500 } .BLOCK { background: #c62f2f1f; color: #c62f2f }
.told { background: var(--soft) }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: 0 }
dt { opacity: .7 } dd { margin: 0; overflow-wrap: anywhere }
"""

_HEAD = ("outcome", "rule", "expects", "rows", "broken", "found")


def page(outcome: Outcome) -> str:
    """Return the page as HTML."""
    suite = outcome.suite
    verdict = "passed" if outcome.passed else "stopped the run"
    title = f"{suite.name}: {verdict}"
    tables = list(dict.fromkeys(found.table for found in outcome.findings))
    facts = {
        "interval": f"{outcome.start} to {outcome.end} (the last day is not in it)",
        "run": outcome.caller.name + (f", task {outcome.caller.task}" if outcome.caller.task else ""),
        "began": f"{outcome.began:%Y-%m-%d %H:%M:%S} UTC, took {outcome.seconds:.1f} s on {outcome.engine}",
        "gate": outcome.gate,
    }
    body = [
        f"<h1>{escape(suite.name)} <span class='word {'ok' if outcome.passed else 'BLOCK'}'>{verdict}</span></h1>",
        f"<p>{escape(suite.summary)}</p>",
        _list(facts),
        *(_table(table, outcome, [one for one in outcome.findings if one.table == table]) for table in tables),
    ]
    return (
        f"<!doctype html>\n<html lang='en'><head><meta charset='utf-8'><title>{escape(title)}</title>"
        f"<meta name='viewport' content='width=device-width'><style>{_STYLE}</style></head>\n"
        f"<body>{''.join(body)}</body></html>\n"
    )


def _table(table: str, outcome: Outcome, findings: Sequence[Finding]) -> str:
    reads = outcome.reads(table)
    shadow = f" <small>read in {escape(reads)}</small>" if reads and reads != table.partition(".")[0] else ""
    head = "".join(f"<th scope='col'>{word}</th>" for word in _HEAD)
    rows = "".join(_row(found) for found in findings)
    return (
        f"<h2><code>{escape(table)}</code>{shadow}</h2>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    )


def _row(found: Finding) -> str:
    rule = found.rule
    arguments = ", ".join(f"{key}: {value}" for key, value in rule.arguments.items())
    cells = (
        f"<td><span class='word {found.outcome}'>{found.outcome}</span></td>",
        f"<td>{escape(rule.id)}</td>",
        f"<td>{escape(rule.expect)}<br><code>{escape(arguments[:600])}</code></td>",
        f"<td class='n'>{_number(found.rows)}</td>",
        f"<td class='n'>{_number(found.unexpected)}</td>",
        f"<td>{escape(found.observed)}</td>",
    )
    line = f"<tr>{''.join(cells)}</tr>"
    told = {
        **({"moved": f"{found.quarantined:,} rows to quarantine"} if found.quarantined else {}),
        **({"seen": found.seen} if found.seen else {}),
        **({} if found.outcome == "ok" else {"breaks": rule.breaks, "owner": rule.owner}),
    }
    if not told:
        return line
    return f"{line}<tr class='told'><td></td><td colspan='{len(_HEAD) - 1}'>{_list(told)}</td></tr>"


def _list(facts: dict[str, str]) -> str:
    return f"<dl>{''.join(f'<dt>{escape(key)}</dt><dd>{escape(value)}</dd>' for key, value in facts.items())}</dl>"


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"
