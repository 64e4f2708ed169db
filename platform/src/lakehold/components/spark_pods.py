"""Spark in a cluster: the task's own pod is the driver, and what works for it are pods that belong to that one."""

from __future__ import annotations

from collections.abc import Sequence

from lakehold.components.model import Executors, Site

DRIVER_PORT, BLOCKS_PORT = 7078, 7079
"""Where executors find their driver, and where all of them fetch blocks of data from each other."""
NAME = "spark-driver"
"""What the pod of a task is configured as that starts executors."""
CONTAINER = "executor"
"""The container of the executors' pod that Spark completes."""
_API = "k8s://https://kubernetes.default.svc"
_API_MILLISECONDS = "60000"


def properties(site: Site, jars: Sequence[str]) -> dict[str, str]:
    """Properties that make executors pods; empty where the driver does all the work.

    What differs from pod to pod is added by the task (:func:`lakehold.pipelines.spark_submit.in_pod`). The account's
    token is found by Spark's client where every pod has it; named as a property it would be read once, and it ends
    after an hour.
    """
    if site.pods is None or site.pods.executors is None:
        return {}
    executors = site.pods.executors
    return {
        "spark.master": _API,
        "spark.submit.deployMode": "client",
        "spark.kubernetes.namespace": site.pods.namespace,
        # The first question to the API waits for hundreds of classes: on a node without CPU to spare more than the 10 s
        # that are the default, and then the application has failed.
        "spark.kubernetes.driver.connectionTimeout": _API_MILLISECONDS,
        "spark.kubernetes.driver.requestTimeout": _API_MILLISECONDS,
        "spark.driver.port": str(DRIVER_PORT),
        "spark.driver.blockManager.port": str(BLOCKS_PORT),
        "spark.blockManager.port": str(BLOCKS_PORT),
        # Whoever else reaches the driver's port gets nothing from it.
        "spark.authenticate": "true",
        **_executors(executors, jars),
        # One partition a thread, as with one driver.
        "spark.sql.shuffle.partitions": str(executors.count * executors.cores),
        # Else Spark keeps its folder of configuration in a ConfigMap, and removes Services nobody made.
        "spark.kubernetes.executor.disableConfigMap": "true",
        "spark.kubernetes.driver.service.deleteOnTermination": "false",
        "spark.kubernetes.driver.ownPersistentVolumeClaim": "false",
    }


def _executors(executors: Executors, jars: Sequence[str]) -> dict[str, str]:
    return {
        "spark.executor.instances": str(executors.count),
        "spark.executor.cores": str(executors.cores),
        "spark.executor.memory": executors.heap,
        "spark.executor.memoryOverhead": executors.overhead,
        "spark.executor.extraClassPath": ":".join(jars),
        "spark.executor.extraJavaOptions": "-Duser.timezone=UTC -XX:-UsePerfData",
        "spark.kubernetes.executor.request.cores": executors.cpu_request,
        "spark.kubernetes.executor.limit.cores": executors.cpu_limit,
        "spark.kubernetes.executor.podTemplateFile": str(executors.template),
        "spark.kubernetes.executor.podTemplateContainerName": CONTAINER,
        "spark.kubernetes.authenticate.executor.serviceAccountName": executors.account,
    }
