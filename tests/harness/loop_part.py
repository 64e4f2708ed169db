"""Runs in the engine environment: programs of it one after another in one process, which imports everything once.

One JSON object a line on standard input (module, arguments, environment), and one a line on standard output (code,
out, err).
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import sys
from typing import Any


def run(module: str, arguments: list[str], environment: dict[str, str]) -> dict[str, Any]:
    """Call the module's main as if it were a process of its own."""
    before = dict(os.environ)
    os.environ.update(environment)
    sys.argv = [module, *arguments]
    out, err = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = importlib.import_module(module).main()
    finally:
        os.environ.clear()
        os.environ.update(before)
    return {"code": code, "out": out.getvalue(), "err": err.getvalue()}


def main() -> None:
    """Answer until the input ends."""
    answers = sys.stdout
    for line in sys.stdin:
        answers.write(json.dumps(run(**json.loads(line))) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
