"""Spark programs by ``spark-submit``: one application per task, so that lineage knows which task wrote what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from lakehold.config.platform import Platform
from lakehold.errors import DataError
from lakehold.pipelines.command import Command, checkout_of
from lakehold.pipelines.openlineage import parent_conf, parents


class SparkJob(Command):
    """Run a program of ``jobs/`` on Spark.

    :param program: path of the program, relative to the checkout
    :param arguments: its arguments (templated)
    :param conf: further Spark properties; they appear on a command line, so they hold no secret
    """

    template_fields = ("arguments", "conf")
    ui_color = "#f9d9b8"
    final_codes: ClassVar[Mapping[int, str]] = {
        DataError.exit_code: "the input was refused; the lines above name each file and the reason"
    }

    def __init__(
        self, *, program: str, arguments: Sequence[str] = (), conf: Mapping[str, str] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.program = program
        self.arguments = list(arguments)
        self.conf = dict(conf or {})

    def command(self, context: Mapping[str, Any], platform: Platform) -> list[str]:
        """Return the ``spark-submit`` command."""
        properties = {
            "spark.openlineage.appName": f"{self.dag_id}.{self.task_id}",
            **parent_conf(*parents(context)),
            **self.conf,
        }
        given = [part for key, value in properties.items() for part in ("--conf", f"{key}={value}")]
        return [
            str(Path(platform.pythons["engine"]).with_name("spark-submit")),
            "--properties-file",
            platform.spark_properties,
            "--name",
            f"{self.dag_id}.{self.task_id}",
            *given,
            str(checkout_of(context, platform) / self.program),
            *self.arguments,
        ]

    def extra_environment(self, context: Mapping[str, Any], platform: Platform) -> dict[str, str]:  # noqa: ARG002
        """Return where Java and Python are."""
        engine = platform.pythons["engine"]
        return {
            "JAVA_HOME": platform.spark_java_home,
            "PYSPARK_PYTHON": engine,
            "PYSPARK_DRIVER_PYTHON": engine,
            "PATH": f"{Path(engine).parent}:/usr/local/bin:/usr/bin:/bin",
        }
