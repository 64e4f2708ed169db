"""From a bare Python to the checkout's `.venv`, with the standard library only.

    python platform/bootstrap.py demo      what the `lakehold` command needs
    python platform/bootstrap.py dev       that, and what tests and lint need
    python platform/bootstrap.py clean     remove what this program made

pip installs uv (its sum is in `locks/bootstrap.txt`) into `.bootstrap/`, uv installs everything else from hashed locks.
Run again it does nothing, unless a lock changed. It writes to the checkout and to the caches of pip and uv only.
"""

import fcntl
import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
LOCKS = CHECKOUT / "platform" / "locks"
TOOLS = CHECKOUT / ".bootstrap"
VENV = CHECKOUT / ".venv"
STAMP = VENV / "lakehold-stamp.json"
LEVELS = {"demo": "lakehold.txt", "dev": "dev.txt"}
OLDEST, NEWEST = (3, 11), (3, 13)
CACHES = (".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", ".import_linter_cache")
DROPPED = ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT")

COMMAND = """#!/bin/sh
'''exec' {python} "$0" "$@"
' '''
import sys

from lakehold.cli.main import main

sys.exit(main())
"""


class BootstrapError(Exception):
    """Something the user has to mend; its text says what and how."""


def main(arguments: list[str]) -> int:
    """Run one of the verbs; 0 when the world is as asked for."""
    if len(arguments) != 1 or arguments[0] not in (*LEVELS, "clean"):
        say(f"usage: python platform/bootstrap.py {'|'.join((*LEVELS, 'clean'))}")
        return 2
    try:
        if arguments[0] == "clean":
            clean()
        else:
            ensure(arguments[0])
    except BootstrapError as error:
        say(str(error))
        return 1
    return 0


def ensure(level: str) -> None:
    """Make `.venv` hold what `level` needs; quick when it does."""
    if done(level):
        return
    check_python()
    TOOLS.mkdir(exist_ok=True)
    with (TOOLS / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if done(level):
            return
        uv = ensure_uv()
        if not ((VENV / "bin" / "python").exists() and STAMP.exists()):
            # Without its stamp it is another program's, or half of an interrupted installation.
            run([uv, "venv", "--quiet", "--clear", "--no-project", "--python", base_python(), str(VENV)], "make .venv")
        STAMP.unlink(missing_ok=True)
        say(f"installing {LEVELS[level]} into .venv (sums are checked)")
        install = [
            uv,
            "pip",
            "sync",
            "--python",
            str(VENV / "bin" / "python"),
            "--require-hashes",
            "--compile-bytecode",
        ]
        run([*install, str(LOCKS / LEVELS[level])], "install the Python packages")
        link_checkout()
        stamp = {"level": level, "lock": digest(LOCKS / LEVELS[level]), "checkout": str(CHECKOUT)}
        STAMP.write_text(json.dumps(stamp), encoding="utf-8")


def done(level: str) -> bool:
    """Whether `.venv` has all of `level` already; `dev` includes `demo`."""
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    has = stamp.get("level")
    return (
        has in (level, "dev")
        and stamp.get("lock") == digest(LOCKS / LEVELS[has])
        and stamp.get("checkout") == str(CHECKOUT)
        and (VENV / "bin" / "python").exists()
    )


def check_python() -> None:
    """Refuse a Python that the locks were not made for."""
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        known = f"{OLDEST[0]}.{OLDEST[1]} to {NEWEST[0]}.{NEWEST[1]}"
        raise BootstrapError(
            f"Python {sys.version.split()[0]} does not fit: Lakehold needs {known}.\n"
            "  remedy: make <verb> PYTHON=/path/to/python3.11"
        )


def ensure_uv() -> str:
    """uv, installed by pip into `.bootstrap/` with its sum checked."""
    lock = LOCKS / "bootstrap.txt"
    home = TOOLS / f"uv-{digest(lock)[:12]}"
    if not (home / "complete").exists():
        shutil.rmtree(home, ignore_errors=True)
        say("installing uv (its sum is checked)")
        options = ["install", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:"]
        target = ["--target", str(home), "--require-hashes", "-r", str(lock)]
        run([*pip(), *options, *target], "install uv")
        (home / "complete").touch()
    return str(home / "bin" / "uv")


def pip() -> list[str]:
    """This Python's pip, or one from its own `ensurepip`."""
    if subprocess.run([base_python(), "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0:
        return [base_python(), "-m", "pip"]
    venv = TOOLS / "pip"
    if not (venv / "bin" / "pip").exists():
        made = subprocess.run(
            [base_python(), "-m", "venv", "--clear", str(venv)],
            capture_output=True,
            text=True,
            env=environment(),
            check=False,
        )
        if made.returncode:
            version = f"{sys.version_info.major}.{sys.version_info.minor}"
            raise BootstrapError(
                f"{base_python()} has neither pip nor a working venv, so nothing can be installed.\n"
                f"  why:    {(made.stderr or made.stdout).strip().splitlines()[0]}\n"
                f"  remedy: install one of them (Debian: apt install python{version}-venv), or choose another Python: "
                "make <verb> PYTHON=/path/to/python3.11"
            )
    return [str(venv / "bin" / "python"), "-m", "pip"]


def link_checkout() -> None:
    """Make `import lakehold` and the `lakehold` command of `.venv` those of this checkout, without a build step."""
    site = next((VENV / "lib").glob("python3*/site-packages"))
    (site / "lakehold.pth").write_text(f"{CHECKOUT / 'platform' / 'src'}\n", encoding="utf-8")
    command = VENV / "bin" / "lakehold"
    command.write_text(COMMAND.format(python=shlex.quote(str(VENV / "bin" / "python"))), encoding="utf-8")
    command.chmod(0o755)


def clean() -> None:
    """Remove `.venv`, `.bootstrap` and the tools' caches, after saying so."""
    found = [CHECKOUT / name for name in (".venv", ".bootstrap", *CACHES) if (CHECKOUT / name).exists()]
    if not found:
        say("nothing to remove")
        return
    say("to be removed: " + ", ".join(path.name for path in found))
    say("kept: the platform's state (.lakehold; `make down`, then remove it) and the store shared between checkouts")
    if os.environ.get("YES") != "1":
        if not sys.stdin.isatty():
            raise BootstrapError("not removed: nobody to ask.\n  remedy: make clean YES=1")
        if input("remove them? [y/N] ").strip().lower() not in ("y", "yes"):
            raise BootstrapError("not removed")
    for path in found:
        shutil.rmtree(path)


def base_python() -> str:
    """The Python below a virtual environment, or this one."""
    return str(getattr(sys, "_base_executable", None) or sys.executable)


def environment() -> dict[str, str]:
    """The user's environment, less what would change the result."""
    kept = {name: value for name, value in os.environ.items() if name not in DROPPED}
    return kept | {"UV_PYTHON_DOWNLOADS": "never", "UV_NO_CONFIG": "1", "PIP_ROOT_USER_ACTION": "ignore"}


def run(command: list[str], purpose: str) -> None:
    """Run a command, passing on what it says but for the list of every package."""
    process = subprocess.Popen(
        command, env=environment(), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace"
    )
    assert process.stderr is not None  # noqa: S101 - what PIPE means
    for line in process.stderr:
        if not line.startswith((" + ", " - ", " ~ ")):
            sys.stderr.write(line)
    if process.wait():
        raise BootstrapError(
            f"Could not {purpose}; the reason is above.\n  remedy: check the network, then run make again"
        )


def digest(path: Path) -> str:
    """Sum of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def say(words: str) -> None:
    """Tell the user, beside the output of what make runs."""
    sys.stderr.write(f"{words}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
