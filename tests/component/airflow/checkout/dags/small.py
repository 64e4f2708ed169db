"""DAGs of the component tests."""

from datetime import timedelta
from pathlib import Path

from airflow.sdk import dag
from lakehold.pipelines.command import Command
from lakehold.pipelines.dbt import dbt_task_group
from lakehold.pipelines.landing import LandedFiles


class Shell(Command):
    """Run a shell script, to have something to kill."""

    template_fields = ("script",)

    def __init__(self, *, script, **kwargs):
        super().__init__(**kwargs)
        self.script = script

    def command(self, context, platform):  # noqa: ARG002
        """Return the command."""
        return ["/bin/bash", "-c", self.script]


@dag(schedule=None)
def tree():
    """Start processes that try to stay: one with a session of its own, one that does not listen to SIGTERM."""
    Shell(task_id="tree", script="setsid sleep 77001 & trap '' TERM; echo started; sleep 77002; sleep 77003")


@dag(schedule=None)
def steps():
    """Print a file of the checkout, wait for a sign, print it again."""
    first = Shell(task_id="first", script="cat jobs/word.txt")
    wait = Shell(task_id="wait", script="echo waiting; until test -e {{ dag_run.conf['sign'] }}; do sleep 0.2; done")
    first >> wait >> Shell(task_id="second", script="cat jobs/word.txt; exit {{ dag_run.conf.get('code', 0) }}")


@dag(schedule="@daily", default_args={"retries": 3, "retry_delay": timedelta(hours=1)})
def landing():
    """Wait for one file a day."""
    LandedFiles(task_id="landed", patterns=["flights/{day}.csv"], wait=timedelta(seconds=6))


@dag(schedule="@daily")
def marts():
    """Build the small dbt project."""
    dbt_task_group("marts", project=Path(__file__).parents[1] / "dbt_project")


tree()
steps()
landing()
marts()
