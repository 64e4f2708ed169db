"""A file that a process touches while it lives, for who asks whether it does: ``python -I -S beat.py FILE SECONDS``.

Standard library only, because it is asked every few seconds.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path


def beats(path: Path, seconds: float, now: float) -> bool:
    """Whether the file was touched less than ``seconds`` ago."""
    try:
        return now - path.stat().st_mtime < seconds
    except FileNotFoundError:
        return False


def main(path: str, seconds: str) -> int:
    """Exit code 0 when it was; what is wrong goes to standard output, where the kubelet looks for it."""
    if beats(Path(path), float(seconds), time.time()):
        return 0
    sys.stdout.write(f"{path} was not touched for {seconds} s\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
