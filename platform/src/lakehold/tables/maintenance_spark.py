"""Maintenance by Spark: the procedures Trino does not have (pure), and the program that calls one.

A start costs 10 s and more, so only what pays that much comes here: sorting across files, and merging delete files
without reading the data.
"""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path

from lakehold.config import ancestry, posting
from lakehold.config.platform import Platform
from lakehold.config.spool import Spool
from lakehold.errors import ConflictError, RunFailedError
from lakehold.tables.policy import Policy
from lakehold.tables.state import TableState

_CONFLICT = ("CommitFailedException", "ValidationException")
_LAST = 2000


def procedure(catalog: str, kind: str, state: TableState, policy: Policy) -> str:
    """Return the CALL of the procedure for an action."""
    table = f"`{state.schema}`.`{state.table}`"
    if kind == "deletes":
        # By itself it leaves partitions alone that have fewer than five.
        options = "map('min-input-files', '2')"
        return f"CALL `{catalog}`.system.rewrite_position_delete_files(table => '{table}', options => {options})"
    order = policy.compaction.order or state.order
    columns = ", ".join(f"`{column}`" for column in order)
    by = f"zorder({columns})" if policy.compaction.strategy == "zorder" else columns
    # All files, or only those that are too small and those with deleted rows.
    some = f"'min-input-files', '{policy.compaction.least}', 'delete-file-threshold', '1'"
    which = "'rewrite-all', 'true'" if kind == "sort" else some
    options = f"{which}, 'target-file-size-bytes', '{policy.compaction.target}'"
    return (
        f"CALL `{catalog}`.system.rewrite_data_files(table => '{table}', strategy => 'sort', "
        f"sort_order => '{by}', options => map({options}))"
    )


def rewrite(platform: Platform, kind: str, state: TableState, policy: Policy, seconds: float) -> None:
    """Run the procedure in a Spark application of its own.

    Raises :class:`ConflictError` when another commit came first, :class:`RunFailedError` for any other failure.
    """
    call = procedure(platform.trino.catalog, kind, state, policy)
    with Spool(posting.folder(platform), f"maintenance-{uuid.uuid4()}", platform.lineage, _warn) as kept:
        result = _run(platform, call, kept.conf(), seconds=max(120.0, seconds), name=state.name)
    if result.returncode == 0:
        return
    told = result.stderr[-_LAST:]
    if any(name in result.stderr for name in _CONFLICT):
        raise ConflictError(f"{state.name} was committed to meanwhile.", why=told)
    raise RunFailedError(f"Spark could not rewrite {state.name}.", why=told, remedy="lakehold logs")


def _run(
    platform: Platform, call: str, lineage: Mapping[str, str], *, seconds: float, name: str
) -> subprocess.CompletedProcess[str]:
    submit = Path(platform.pythons["engine"]).with_name("spark-submit")
    conf = {
        "spark.openlineage.appName": "table_maintenance",
        **ancestry.spark_conf(ancestry.of_environment()),
        **lineage,
    }
    given = [part for key, value in conf.items() for part in ("--conf", f"{key}={value}")]
    try:
        return subprocess.run(
            [str(submit), "--properties-file", platform.spark_properties, *given, str(Path(__file__)), call],
            env={
                "JAVA_HOME": platform.spark_java_home,
                "PYSPARK_PYTHON": platform.pythons["engine"],
                "PYSPARK_DRIVER_PYTHON": platform.pythons["engine"],
                "PYTHONPATH": str(Path(__file__).parents[2]),
                "SPARK_LOCAL_IP": "127.0.0.1",
                "HOME": platform.work,
                "PATH": f"{submit.parent}:/usr/local/bin:/usr/bin:/bin",
            },
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise RunFailedError(
            f"Spark did not finish {name} within {seconds:.0f} s; nothing was changed.",
            why="that is all that was left of the run's time",
            remedy="give maintenance more time: budget.seconds in maintenance.yml",
        ) from error


def _warn(line: str) -> None:
    print(f"warning: {line}", file=sys.stderr)  # noqa: T201 - the message of a program


def main() -> None:
    """Call the procedure of the command line; Spark's own properties say where the catalog is."""
    from pyspark.sql import SparkSession

    session = SparkSession.builder.appName("table_maintenance").getOrCreate()
    for row in session.sql(sys.argv[1]).collect():
        print(row.asDict(), flush=True)  # noqa: T201 - its output
    session.stop()


if __name__ == "__main__":
    main()
