"""The licences an artifact of the running platform may have."""

from __future__ import annotations

OSI_APPROVED = frozenset(
    {
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "CDDL-1.1",
        "EPL-2.0",
        "GPL-2.0-only",
        "ISC",
        "LGPL-2.1-only",
        "LGPL-2.1-or-later",
        "LGPL-3.0-only",
        "MIT",
        "MPL-2.0",
        "PostgreSQL",
        "PSF-2.0",
        "Python-2.0",
        "Unlicense",
        "Zlib",
    }
)
"""SPDX identifiers that the Open Source Initiative approves, as far as they matter to a data platform."""

OPEN_DATA = frozenset({"CC0-1.0", "CC-BY-4.0", "ODbL-1.0", "PDDL-1.0"})
"""SPDX identifiers of open licences for data."""

EXCEPTIONS = frozenset({"Classpath-exception-2.0", "LLVM-exception"})
"""SPDX exceptions that only add permissions (``GPL-2.0-only WITH Classpath-exception-2.0``)."""


def unapproved(expression: str, accepted: frozenset[str] = OSI_APPROVED) -> list[str]:
    """The parts of an SPDX expression that are not accepted; of an ``OR`` one accepted side is enough."""
    fine = accepted | EXCEPTIONS | {"AND", "WITH"}
    sides = [
        [word for word in side.replace("(", " ").replace(")", " ").split() if word not in fine]
        for side in expression.split(" OR ")
    ]
    return min(sides, key=len)
