"""Every error a user can meet, and every finding of ``doctor``: what happened, why, and the command that mends it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


class LakeholdError(Exception):
    """Base of all errors Lakehold raises on purpose.

    ``what`` is one sentence, ``why`` the cause as far as it is known, ``remedy`` the command or edit that mends it.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, why: str = "", remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.remedy = remedy

    def __str__(self) -> str:
        """What happened, why, and the remedy, a line each."""
        lines = [self.what]
        if self.why:
            lines.append(f"  why:    {self.why}")
        if self.remedy:
            lines.append(f"  remedy: {self.remedy}")
        return "\n".join(lines)


class ConfigError(LakeholdError):
    """``lakehold.toml`` or an environment variable says something Lakehold does not understand."""

    exit_code = 3


class ArtifactError(LakeholdError):
    """An artifact could not be had, or is not what ``platform/pins.toml`` says it is."""

    exit_code = 4


class StartError(LakeholdError):
    """A component could not start, or did not become healthy in time."""

    exit_code = 5


class NotRunningError(LakeholdError):
    """The verb needs a running platform (or component), and it is not running."""

    exit_code = 6


class RunFailedError(LakeholdError):
    """An Airflow run, a gate or a SQL statement ended with a failure."""

    exit_code = 7


class DataError(LakeholdError):
    """Input that was refused before anything was written."""

    exit_code = 8


class ConflictError(LakeholdError):
    """Somebody else changed a table since it was cloned; nothing was published (or taken back)."""

    exit_code = 9


class DifferenceError(LakeholdError):
    """What is there is not what a file asserts."""

    exit_code = 10


class BusyError(LakeholdError):
    """Another run is working on the same tables; trying again later may help."""

    exit_code = 75  # EX_TEMPFAIL of sysexits.h


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at. ``level`` is ``ok``, ``warning`` (works, for now) or ``problem``."""

    subject: str
    level: str
    text: str
    remedy: str = ""
