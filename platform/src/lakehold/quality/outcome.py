"""One run of a gate, as it is recorded: which suite over which rows, on whose behalf, and what was found."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal

from lakehold.config.ancestry import Ancestry, of_environment
from lakehold.quality.finding import Finding
from lakehold.quality.suite import Suite


@dataclass(frozen=True, kw_only=True)
class Caller:
    """The Airflow task that a gate is, or nobody when a person runs it."""

    dag: str = ""
    run: str = ""
    task: str = ""
    attempt: int = 0
    ancestry: Ancestry = field(default_factory=Ancestry)
    """The task and its DAG run, as lineage names them."""

    @property
    def name(self) -> str:
        """``dag/run``, or ``by hand``."""
        return f"{self.dag}/{self.run}" if self.dag else "by hand"


def caller(environment: Mapping[str, str] = os.environ) -> Caller:
    """Read who runs this process from what an operator gives its command."""
    return Caller(
        dag=environment.get("LAKEHOLD_DAG_ID", ""),
        run=environment.get("LAKEHOLD_RUN_ID", ""),
        task=environment.get("LAKEHOLD_TASK_ID", ""),
        attempt=int(environment.get("LAKEHOLD_TRY") or 0),
        ancestry=of_environment(environment),
    )


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What one gate found."""

    suite: Suite
    start: date
    end: date
    began: datetime
    seconds: float
    findings: Sequence[Finding]
    caller: Caller = field(default_factory=Caller)
    engine: Literal["trino", "spark"] = "trino"
    snapshots: Mapping[str, int] = field(default_factory=dict)
    """``schema.table`` → the snapshot that was judged, or an older one if somebody wrote meanwhile."""
    gate: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def passed(self) -> bool:
        """Whether no rule that blocks is broken."""
        return not any(finding.blocks for finding in self.findings)

    def reads(self, table: str) -> str:
        """Return the schema that ``schema.table`` was read from."""
        return next((each.reads for each in self.suite.tables if each.name == table), "")
