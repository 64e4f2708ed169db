"""Reads suites without running them: ``python -m lakehold.quality.check quality/gold.yml …``.

Every key, expectation and argument is held against the installed Great Expectations. Exit code 3 when something is not
understood, each with its path.
"""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path

from lakehold.errors import ConfigError
from lakehold.quality import expectations, suite

_ANY_DAY = (date(2013, 1, 1), date(2013, 1, 2))


def problems(paths: list[Path]) -> list[str]:
    """Return what is wrong with the suites, each with its path; nothing when all can be run."""
    gx = expectations.great_expectations()
    found = []
    for path in paths:
        try:
            read = suite.load(path.parent, path.stem, *_ANY_DAY)
        except ConfigError as error:
            found.append(str(error))
        else:
            found += expectations.problems(gx, read)
    return found


def main() -> int:
    """Check the suites of the command line."""
    paths = [Path(argument) for argument in sys.argv[1:]]
    found = problems(paths)
    print("\n".join(found) if found else f"{len(paths)} suites can be run", file=sys.stderr if found else sys.stdout)
    return ConfigError.exit_code if found else 0


if __name__ == "__main__":
    sys.exit(main())
