"""What a gate found about one rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from lakehold.quality.suite import Rule

Outcome = Literal["ok", "quarantined", "warn", "BLOCK"]

_EXAMPLES = 5


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One rule, whether the rows meet it, and what was seen when not, or when it is worth telling anyway."""

    table: str
    rule: Rule
    met: bool
    seen: str = ""
    rows: int | None = None
    """Rows looked at, where that is known."""
    unexpected: int | None = None
    """Rows that break the rule, where the rule is about rows."""
    observed: str = ""
    """The number a rule about an aggregate found."""
    quarantined: int = 0
    """Rows that broke the rule and were moved away; the rule is then judged on the rest."""

    @property
    def blocks(self) -> bool:
        """Whether this finding stops the run."""
        return not self.met and self.rule.severity == "block"

    @property
    def outcome(self) -> Outcome:
        """How the rule came out, in one word."""
        if self.blocks:
            return "BLOCK"
        if not self.met:
            return "warn"
        return "quarantined" if self.quarantined else "ok"


def seen(result: Mapping[str, Any]) -> str:
    """Say what Great Expectations saw, from the ``result`` of one of its validation results."""
    parts = []
    if "unexpected_count" in result:
        share = result.get("unexpected_percent") or 0.0
        parts.append(f"{result['unexpected_count']} of {result['element_count']} rows ({share:.2f} %)")
        examples = result.get("partial_unexpected_list")
        parts.extend([f"for example {', '.join(map(str, examples))}"] if examples else [])
    elif "observed_value" in result:
        parts.append(f"{result['observed_value']} found")
    rows: Sequence[Mapping[str, Any]] = (result.get("details") or {}).get("unexpected_rows") or []
    parts.extend(", ".join(f"{key} {value}" for key, value in row.items()) for row in rows[:_EXAMPLES])
    return "; ".join(parts)
