"""Audited groups: their tables are published when all has passed, by a program or by SQL of a provider's operator."""

from datetime import timedelta

from airflow.providers.standard.operators.python import ShortCircuitOperator
from airflow.sdk import dag
from lakehold.pipelines.audited import audited
from lakehold.pipelines.command import Command
from lakehold.pipelines.gate import Gate

AT_ONCE = {"retries": 1, "retry_delay": timedelta(0)}


class Write(Command):
    """Append the run's row to `shop.orders`."""

    template_fields = ("row",)

    def __init__(self, *, row="{{ dag_run.conf['row'] }}", **kwargs):
        super().__init__(**kwargs)
        self.row = row

    def command(self, context, platform):  # noqa: ARG002
        """Return the command."""
        return [platform.pythons["engine"], "jobs/orders.py", "append", self.row]


class Late(Write):
    """The same after a gate, if the run's configuration has such a row."""

    def __init__(self, **kwargs):
        super().__init__(row="{{ dag_run.conf.get('late', '') }}", **kwargs)

    def command(self, context, platform):
        """Return the command."""
        return super().command(context, platform) if self.row else ["/bin/true"]


class Judge(Gate):
    """A gate that lets everything pass, and says what of the shadow it has seen as other gates do."""

    def command(self, context, platform):  # noqa: ARG002
        """Return the command."""
        return [platform.pythons["engine"], "jobs/orders.py", "judge"]


class Check(Command):
    """Wait for a sign; fail when the run's configuration says so."""

    template_fields = ("script",)

    def __init__(self, *, code="{{ dag_run.conf.get('code', 0) }}", **kwargs):
        super().__init__(**kwargs)
        self.script = "until test -e {{ dag_run.conf.get('sign', '/') }}; do sleep 0.2; done; exit " + code

    def command(self, context, platform):  # noqa: ARG002
        """Return the command."""
        return ["/bin/bash", "-c", self.script]


@dag(schedule=None)
def orders():
    """Wait for other runs of the same table."""
    with audited("shop", schemas=["shop"], wait=timedelta(minutes=2)):
        Write(task_id="write") >> Check(task_id="check")


@dag(schedule=None, default_args=AT_ONCE)
def orders_again():
    """Retry what was killed."""
    with audited("shop", schemas=["shop"]):
        Write(task_id="write", retries=0)


@dag(schedule=None)
def orders_impatient():
    """Do not wait for anybody; and let a failure inside be followed by a task that succeeds."""
    with audited("shop", schemas=["shop"], wait=None):
        check = Check(task_id="check")
        Write(task_id="write") >> check >> Check(task_id="clean", code="0", trigger_rule="all_done")


@dag(schedule=None)
def orders_ungated():
    """Skip the gate, and let that be followed by a task that succeeds."""
    with audited("shop", schemas=["shop"]):
        skip = ShortCircuitOperator(
            task_id="skip", python_callable=lambda: False, ignore_downstream_trigger_rules=False
        )
        gate = Gate(task_id="gate", suite="orders", start="2013-01-01", end="2013-01-02")
        Write(task_id="write") >> skip >> gate >> Check(task_id="clean", code="0", trigger_rule="all_done")


@dag(schedule=None)
def orders_judged():
    """Write once more after one of the gates."""
    with audited("shop", schemas=["shop"]):
        gate = Judge(task_id="gate", suite="orders", start="2013-01-01", end="2013-01-02")
        days = Judge.partial(task_id="days", suite="orders", end="2013-01-02").expand(
            start=["2013-01-01", "2013-01-02"]
        )
        Write(task_id="write") >> gate >> days >> Late(task_id="late")


orders()
orders_again()
orders_judged()
orders_ungated()
orders_impatient()
