"""What the chart's values are made of: quantities, resources, volumes."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic.alias_generators import to_camel

from lakehold.components.registry import COMPONENTS

_QUANTITY = r"^[1-9][0-9]*(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$"
NAME = r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$"
NAME_OR_NONE = r"^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?)?$"
_HEADROOM = 1.5
"""A limit over a request: what a declaration states is what was measured, and a peak is not yet a leak."""

# `cpu: 2` is how everybody writes it: a pattern is asked of text only.
Quantity = Annotated[
    str, Field(pattern=_QUANTITY), WithJsonSchema({"type": ["string", "integer"], "pattern": _QUANTITY, "minimum": 1})
]
_MEMORY = {process.name: process.memory_mb for part in COMPONENTS for process in part.processes}


class Part(BaseModel):
    """A part of the values: camel case as everything of Kubernetes, and unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


class Amounts(Part):
    """CPU and memory."""

    cpu: Quantity = Field(description="Cores, or thousandths of one (`250m`).")
    memory: Quantity = Field(description="Bytes (`512Mi`).")


class Resources(Part):
    """What is reserved for a container, and the most it gets."""

    requests: Amounts = Field(description="What the scheduler reserves.")
    limits: Amounts = Field(description="The most it gets; over this memory it is killed.")


class Storage(Part):
    """A volume that lasts."""

    size: Quantity = Field(description="Size of the volume.")
    class_: str = Field(
        default="", alias="class", pattern=NAME_OR_NONE, description="Storage class; empty is the cluster's default."
    )


def sized(process: str, *, cpu: str, most_cpu: str) -> Resources:
    """Return the default resources of a process, made of its declared memory."""
    memory = _MEMORY[process]
    return Resources(
        requests=Amounts(cpu=cpu, memory=f"{memory}Mi"),
        limits=Amounts(cpu=most_cpu, memory=f"{round(memory * _HEADROOM)}Mi"),
    )
