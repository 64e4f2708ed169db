"""``python -m lakehold.images``: build the images, or make the lock of their Debian packages anew."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lakehold.errors import LakeholdError
from lakehold.images import apt, debian
from lakehold.images.build import build
from lakehold.images.layers import Inputs
from lakehold.images.recipes import load_recipes, with_platform
from lakehold.release.pins import PLATFORM
from lakehold.release.store import Store

_OUT = PLATFORM.parent / "dist" / "images"


def main() -> None:
    """Map errors to a message and their exit code."""
    try:
        run(_arguments())
    except LakeholdError as error:
        say(f"images: {error}")
        sys.exit(error.exit_code)


def run(arguments: argparse.Namespace) -> None:
    """Do what the command line says."""
    recipes = load_recipes()
    if arguments.verb == "lock":
        debian.LOCK.write_text(debian.render(apt.lock(recipes)), encoding="utf-8")
        say(f"wrote {debian.LOCK}")
        return
    own = Store.default()
    inputs = Inputs(
        store=Store(own.layout.root, with_platform(own.pins)),
        recipes=recipes,
        packages=debian.parse(debian.LOCK.read_text(encoding="utf-8"), recipes),
        checkout=PLATFORM.parent,
        say=say,
        again=arguments.again,
    )
    build(inputs, arguments.images or recipes.images, arguments.out)


def say(words: str) -> None:
    """Tell the user."""
    sys.stderr.write(f"{words}\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m lakehold.images", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    build_ = verbs.add_parser("build", help="build images into a folder")
    build_.add_argument("images", nargs="*", metavar="IMAGE", help="which; all of docker/images.toml if none is named")
    build_.add_argument("--out", type=Path, default=_OUT, help="the folder (default: dist/images)")
    build_.add_argument("--again", action="store_true", help="write every layer anew, and fail if one differs")
    verbs.add_parser("lock", help="write docker/debian.lock from what this machine's apt knows")
    return parser.parse_args()


if __name__ == "__main__":
    main()
