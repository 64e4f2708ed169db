"""Wait for the files a run needs, in the triggerer: a waiting task holds no slot and no process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException
from airflow.triggers.base import BaseTrigger, StartTriggerArgs, TaskSuccessEvent, TriggerEvent
from botocore.exceptions import BotoCoreError, ClientError

from lakehold.config.platform import load
from lakehold.pipelines.landing_keys import expected_keys, missing_keys, summary

_POLL_SECONDS = 5
_SLACK = timedelta(minutes=5)
"""Airflow's own time-out fires this long after ours; ours can say which files are missing."""


class LandedFilesTrigger(BaseTrigger):  # type: ignore[misc]  # Airflow is not installed where mypy runs
    """Ends when every expected file is there, or when the time is up."""

    def __init__(self, *, bucket: str | None, patterns: Sequence[str], start: str, end: str) -> None:
        super().__init__()
        self.bucket = bucket
        self.patterns = list(patterns)
        self.start = start
        self.end = end
        self.timeout_after: datetime | None = None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what Airflow needs to make this trigger again."""
        names = ("bucket", "patterns", "start", "end")
        return f"{__name__}.LandedFilesTrigger", {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look every few seconds; an object store that does not answer counts as nothing being there yet."""
        address = load().s3
        bucket = self.bucket or address.landing
        keys = [key for pattern in self.patterns for key in expected_keys(pattern, self.start, self.end)]
        said = ""
        while True:
            try:
                missing = await asyncio.to_thread(missing_keys, address, bucket, keys)
                state = f"{len(keys) - len(missing)} of {len(keys)} files are in s3://{bucket}"
                state += f"; waiting for {summary(missing)}" if missing else ""
            except (BotoCoreError, ClientError) as error:
                missing, state = keys, f"the object store does not answer: {error}"
            if state != said:
                self.log.info("%s", state)
                said = state
            if not missing:
                yield TaskSuccessEvent()
                return
            if self._time_is_up():
                yield TriggerEvent({"missing": missing, "state": state})
                return
            await asyncio.sleep(_POLL_SECONDS)

    def _time_is_up(self) -> bool:
        if self.timeout_after is None:
            return False
        limit = self.timeout_after if self.timeout_after.tzinfo else self.timeout_after.replace(tzinfo=UTC)
        return datetime.now(UTC) >= limit - _SLACK


class LandedFiles(BaseOperator):  # type: ignore[misc]  # Airflow is not installed where mypy runs
    """Wait until every file of the data interval has landed; fail, without retries, naming those that have not.

    :param patterns: keys in the bucket; ``{day}`` stands for each day of the interval, as ``YYYY-MM-DD``
    :param bucket: the bucket; by default the one that files are delivered to
    :param wait: how long to wait
    :param start: first day (templated; by default the data interval's start)
    :param end: the day after the last (templated; by default the data interval's end)
    """

    template_fields = ("start", "end")
    ui_color = "#e1d5e7"
    start_from_trigger = True

    def __init__(
        self,
        *,
        patterns: Sequence[str],
        bucket: str | None = None,
        wait: timedelta = timedelta(hours=6),
        start: str = "{{ data_interval_start | ds }}",
        end: str = "{{ data_interval_end | ds }}",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.start = start
        self.end = end
        self.start_trigger_args = StartTriggerArgs(
            trigger_cls=f"{__name__}.LandedFilesTrigger",
            trigger_kwargs={"bucket": bucket, "patterns": list(patterns), "start": start, "end": end},
            next_method="give_up",
            timeout=wait + _SLACK,
        )

    def execute(self, context: Mapping[str, Any]) -> None:  # noqa: ARG002
        """Never reached: the task starts in the triggerer."""
        raise AirflowFailException("LandedFiles runs in the triggerer only")

    def give_up(self, context: Mapping[str, Any], event: Mapping[str, Any]) -> None:  # noqa: ARG002
        """Fail with the names of the missing files."""
        raise AirflowFailException(
            f"{len(event['missing'])} expected files have not landed: {summary(event['missing'])}. "
            "Deliver them, then clear this task."
        )
