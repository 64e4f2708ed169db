"""Bring back what was running when supervisord was killed; the keeper becomes this."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from rich.console import Console

from lakehold.config.loader import load_settings
from lakehold.errors import LakeholdError
from lakehold.local.files import read_json
from lakehold.local.proc import STATE_VARIABLE
from lakehold.local.progress import PlainReporter
from lakehold.local.runtime import Runtime, hold
from lakehold.local.site import load_site, registered, state_directory

_ATTEMPTS = 5
_PAUSE_SECONDS = 10.0


def revive(checkout: Path) -> None:
    """Bring up the components noted as wanted; raises :class:`LakeholdError` when they do not come up."""
    settings = load_settings(checkout)
    state = state_directory(settings, checkout)
    components = registered(settings)
    reporter = PlainReporter(Console(file=sys.stderr))
    with hold(state, reporter):
        wanted = (read_json(state / "run" / "wanted.json") or {}).get("components", [])
        known = {component.name for component in components}
        names = [name for name in wanted if name in known]
        if names:
            reporter.note(f"supervisord is gone; bringing back {', '.join(names)}")
            Runtime(load_site(settings, checkout, components=components), components, reporter).up(
                names, keep_trying=True
            )


def main() -> None:
    """Try a few times: whatever killed supervisord may still be at work."""
    wanted = read_json(Path(os.environ[STATE_VARIABLE]) / "run" / "wanted.json")
    if wanted is None:
        return
    for _attempt in range(_ATTEMPTS):
        try:
            revive(Path(wanted["checkout"]))
            return
        except LakeholdError as error:
            sys.stderr.write(f"{error}\n")
            time.sleep(_PAUSE_SECONDS)


if __name__ == "__main__":
    main()
