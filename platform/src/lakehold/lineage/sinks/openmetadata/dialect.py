"""What differs between OpenMetadata's versions, as data.

1.2 is known from a live server and exchanges recorded with one, 1.4 from its published schemas, 2.0 from its source. In
which version between two of these a difference came is assumed, not seen; so the number is only where to begin, and a
server that refuses a word is told the other one (:func:`after`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

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


_UNKNOWN_FIELD = re.compile(r'Unrecognized field "(\w+)"')
_NO_REQUEST = re.compile(r"HTTP (404|405)|^405 ")
_OTHERWISE: Mapping[str, Mapping[str, object]] = {
    "owners": {"owners": "owner"},
    "owner": {"owners": "owners"},
    "schemaDefinition": {"view_text": "viewDefinition"},
    "viewDefinition": {"view_text": "schemaDefinition"},
    "fullPath": {"container_path": False},
    "basicEntityReference": {"basic_suites": False},
    "executableEntityReference": {"basic_suites": True},
}
"""What is different where a field is not known."""
_SUITES = ("/dataQuality/testSuites/", "/testCaseResult")


def after(spoken: Dialect, reason: str, sent: str) -> Dialect | None:
    """Return how a server may want to be told that refused what it was sent; ``None`` when that was not about words."""
    unknown = _UNKNOWN_FIELD.search(reason)
    change: dict[str, object] = dict(_OTHERWISE.get(unknown.group(1), {})) if unknown else {}
    if "LineageDetails$Source" in reason and spoken.edge_source == "OpenLineage":
        change = {"edge_source": "PipelineLineage"}
    if "testSuite must not be null" in reason:
        change = {"basic_suites": False}
    elif _NO_REQUEST.search(reason) and any(path in sent for path in _SUITES):
        change = {"basic_suites": not spoken.basic_suites}
    other = replace(spoken, **change)  # type: ignore[arg-type]  # each is the type of its field, see above
    return None if other == spoken else other


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
