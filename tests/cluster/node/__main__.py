"""``python -m node up|down|build|load|run``: the tests' Kubernetes node, by hand."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from lakehold.errors import LakeholdError
from node import machine, programs
from node.layout import default


def main() -> int:
    """Do what the command line says; an error is a message and its exit code."""
    parser = argparse.ArgumentParser(prog="python -m node", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("up", help="start the node; KUBECONFIG is printed")
    verbs.add_parser("down", help="end it")
    build = verbs.add_parser("build", help="build its programs")
    build.add_argument("names", nargs="*", default=programs.names())
    load = verbs.add_parser("load", help="load images into it")
    load.add_argument("archives", nargs="+", type=Path)
    run = verbs.add_parser("run", help="run helm or kubectl with it")
    run.add_argument("words", nargs=argparse.REMAINDER)
    try:
        _do(parser.parse_args())
    except LakeholdError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


def _do(arguments: argparse.Namespace) -> None:
    node = default()
    if arguments.verb == "up":
        machine.ensure_up(node, _say)
        sys.stdout.write(f"export KUBECONFIG={node.kubeconfig}\n")
    elif arguments.verb == "down":
        machine.down(node)
    elif arguments.verb == "build":
        for name in arguments.names:
            _say(f"{programs.ensure(node, name)}")
    elif arguments.verb == "load":
        for archive in arguments.archives:
            machine.load(node, archive.resolve())
    else:
        name, *words = arguments.words
        own = {
            "kubectl": [str(programs.program(node, "kubeaio")), "kubectl"],
            "helm": [str(programs.program(node, "helm"))],
        }
        command = [*own[name], *words]
        os.execve(command[0], command, {**os.environ, "KUBECONFIG": str(node.kubeconfig)})  # noqa: S606 - no shell


def _say(words: str) -> None:
    sys.stderr.write(f"{words}\n")


if __name__ == "__main__":
    sys.exit(main())
