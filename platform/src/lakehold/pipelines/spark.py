"""Spark programs by ``spark-submit``: one application per task, so that lineage knows which task wrote what."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from lakehold.config import posting, spool
from lakehold.config.ancestry import spark_conf
from lakehold.config.platform import Platform, load
from lakehold.errors import DataError
from lakehold.pipelines import spark_submit
from lakehold.pipelines.command import Command, checkout_of
from lakehold.pipelines.openlineage import ancestry


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
        # Other executors have no use for it.
        super().__init__(**{"executor_config": {"pod_template_file": spark_submit.POD}, **kwargs})
        self.program = program
        self.arguments = list(arguments)
        self.conf = dict(conf or {})

    def execute(self, context: Mapping[str, Any]) -> None:
        """Run the program; the first one to end well leaves an archive of its classes for those after it."""
        platform, writer = load(), draft_name(context)
        archive = spark_submit.archive(platform)
        self._flags = archive.flags(writer)
        try:
            with spool.Spool(posting.folder(platform), writer, platform.lineage, self.log.warning) as self._spool:
                super().execute(context)
            archive.keep(writer)
        finally:
            # What a program that failed has loaded is not what the next one needs.
            archive.draft(writer).unlink(missing_ok=True)

    def command(self, context: Mapping[str, Any], platform: Platform) -> list[str]:
        """Return the command; see :mod:`lakehold.pipelines.spark_submit`."""
        name = f"{self.dag_id}.{self.task_id}"
        conf = {
            "spark.app.name": name,
            "spark.openlineage.appName": name,
            **spark_conf(ancestry(context)),
            **self._spool.conf(),
            **spark_submit.in_pod(os.environ),
            **self.conf,
        }
        program = checkout_of(context, platform) / self.program
        return [*spark_submit.command(platform, self._flags, conf, program), *self.arguments]

    def extra_environment(self, context: Mapping[str, Any], platform: Platform) -> dict[str, str]:  # noqa: ARG002
        """Return where Java, Spark and Python are."""
        return spark_submit.environment(platform)


def draft_name(context: Mapping[str, Any]) -> str:
    """Return a name of this attempt that is a file name too."""
    return str(context["ti"].id)
