"""What differs between OpenMetadata's versions, as data.

1.2 is known from recorded exchanges with a live server, 1.4 from its published schemas, 2.0 from its source. Where
between two of these a difference came is from its release notes and was not seen.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

Version = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """How one version wants to be told."""

    version: Version
    edge_source: str
    """``lineageDetails.source`` of an edge that was reported by the job itself."""
    view_text: str
    """The property of a view that holds its SQL."""
    container_path: bool
    """Whether a container has ``fullPath``."""
    owners: str
    """``owner`` (one reference) or ``owners`` (a list of them)."""
    basic_suites: bool
    """Suites are ``basic`` (and test cases find theirs), not ``executable`` (and test cases name it)."""

    @property
    def suite_path(self) -> str:
        """Where the suite of a table is made."""
        return "/dataQuality/testSuites/basic" if self.basic_suites else "/dataQuality/testSuites/executable"

    @property
    def suite_table(self) -> str:
        """The property of a suite that names its table."""
        return "basicEntityReference" if self.basic_suites else "executableEntityReference"


def of(version: str) -> Dialect:
    """Return the dialect of a server by what ``/system/version`` says (``1.2.0-SNAPSHOT``); unknown is the newest."""
    match = re.match(r"(\d+)\.(\d+)", version)
    number = (int(match.group(1)), int(match.group(2))) if match else (2, 0)
    return Dialect(
        version=number,
        edge_source="OpenLineage" if number >= (1, 4) else "PipelineLineage",
        view_text="schemaDefinition" if number >= (1, 4) else "viewDefinition",
        container_path=number >= (1, 4),
        owners="owners" if number >= (1, 5) else "owner",
        basic_suites=number >= (1, 6),
    )
