"""The ``lakehold`` command: registers the verbs, and maps every error to a message and an exit code."""

from __future__ import annotations

import errno
import signal
import sys

import click

from lakehold import __version__
from lakehold.cli.context import ERR
from lakehold.cli.demo import demo
from lakehold.cli.doctor import doctor
from lakehold.cli.down import down
from lakehold.cli.env import env
from lakehold.cli.install import install
from lakehold.cli.lineage import lineage
from lakehold.cli.logs import logs
from lakehold.cli.pins import pins
from lakehold.cli.quality import quality
from lakehold.cli.rollback import rollback
from lakehold.cli.run import run
from lakehold.cli.sql import sql
from lakehold.cli.status import status
from lakehold.cli.tables import tables
from lakehold.cli.up import up
from lakehold.cli.upgrade import upgrade
from lakehold.errors import ConfigError, LakeholdError, StartError

VERBS: tuple[click.Command, ...] = (
    up, down, status, logs, doctor, env, sql, run, demo, lineage, tables, quality, pins, install, upgrade, rollback,
)  # fmt: skip
"""Every verb, in the order ``lakehold --help`` lists them."""

_INTERRUPTED = 130  # 128 + SIGINT, as a shell reports it
_USAGE = 2


class _InOrder(click.Group):
    """A group that lists its commands in the order they were registered."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        return list(self.commands)


@click.group(cls=_InOrder, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="lakehold")
def cli() -> None:
    """Run a whole data platform, on this machine or in a cluster: PostgreSQL, object store, Trino, Airflow, lineage.

    \b
    First steps:
      lakehold up                         start everything
      lakehold status                     see what runs, and where
      lakehold sql "show schemas"         ask Trino
      lakehold down                       stop everything

    \b
    In a cluster, with kubectl and helm:
      lakehold install --context prod --namespace lakehold --profile trial
      lakehold status --context prod --namespace lakehold
    status, logs, doctor, sql, run and demo speak to a cluster with --context; install, upgrade and rollback only do.

    \b
    Exit codes: 0 well, 2 wrong usage, 3 configuration, 4 artifacts, 5 a start failed, 6 not running or not healthy,
    7 a run or statement failed, 8 refused input, 9 somebody else was faster, 10 not what a file asserts, 75 busy,
    130 interrupted, 1 anything else.
    """


for _verb in VERBS:
    cli.add_command(_verb)


def main() -> None:
    """Entry point. SIGTERM, which ``lakehold down`` sends to an ``up`` that is under way, is treated as Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        code = cli.main(standalone_mode=False)
    except LakeholdError as error:
        sys.exit(_tell(error))
    except click.ClickException as error:
        error.show()
        sys.exit(_USAGE)
    except (click.Abort, KeyboardInterrupt):
        ERR.print("lakehold: interrupted", highlight=False)
        sys.exit(_INTERRUPTED)
    except BrokenPipeError:
        # The reader (head, a pager) has seen enough.
        sys.stdout = None  # keeps the interpreter from flushing into the closed pipe
        sys.exit(0)
    except OSError as error:
        sys.exit(_tell(_explained(error)))
    sys.exit(code if isinstance(code, int) else 0)


def _tell(error: LakeholdError) -> int:
    """Print an error and return its exit code."""
    ERR.print(f"lakehold: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
    return error.exit_code


def _explained(error: OSError) -> LakeholdError:
    """Return the error a user can act on; anything that is not about the user's machine is ours, and raised."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StartError("the disk is full.", why=str(error), remedy="free some space (df -h), then try again")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return ConfigError(
            "a file or folder of the installation cannot be used by this user.",
            why=str(error),
            remedy="run lakehold as its owner, or choose another folder: LAKEHOLD_STATE=… lakehold up",
        )
    raise error


if __name__ == "__main__":
    main()
