"""Programs of the engine environment, one after another in one process: most of a short one's time is its imports."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Self

Done = subprocess.CompletedProcess[str]


class EngineLoop:
    """Runs what ``loop_part.py`` is told, until it is closed."""

    def __init__(self, python: Path, folder: Path, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [python, Path(__file__).with_name("loop_part.py")],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def run(self, module: str, *arguments: str, **environment: str) -> Done:
        """Run ``python -m module`` with more variables in its environment, in a process that has run others before."""
        asked = {"module": module, "arguments": arguments, "environment": environment}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        said = json.loads(self._process.stdout.readline())
        return subprocess.CompletedProcess([module, *arguments], said["code"] or 0, said["out"], said["err"])
