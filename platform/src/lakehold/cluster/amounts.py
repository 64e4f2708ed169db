"""What the chart's values are made of: quantities, resources, volumes."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema
from pydantic.alias_generators import to_camel

from lakehold.components.registry import COMPONENTS

_CORES = r"^([1-9][0-9]{0,3}(\.[0-9]{1,3})?|0\.[0-9]{0,2}[1-9]|[1-9][0-9]{0,6}m)$"
_BYTES = r"^([1-9][0-9]{0,14}|[1-9][0-9]{0,5}((k|Ki)|(\.(25|5|75))?(Mi|Gi|Ti)|(\.[0-9]{1,3})?(M|G|T)))$"
"""What is a whole number of bytes: Kubernetes takes no other."""
_BYTE = r"(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_GROUP = r"[0-9a-fA-F]{1,4}"
CIDR = (
    rf"^({_BYTE}(\.{_BYTE}){{3}}/(3[0-2]|[12]?[0-9])"
    rf"|(({_GROUP}:){{1,7}}:|::|({_GROUP}:){{7}}{_GROUP})/(12[0-8]|1[01][0-9]|[1-9]?[0-9]))$"
)
"""A range of addresses; of IPv6, one that ends in `::` or has all of its eight groups."""
NAME = r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$"
NAME_OR_NONE = r"^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?)?$"
_HEADROOM = 1.5
"""A limit over a request: what a declaration states is what was measured, and a peak is not yet a leak."""


def _amount(pattern: str, most: int) -> WithJsonSchema:
    # `cpu: 2` is how everybody writes it: a pattern is asked of text only.
    return WithJsonSchema({"type": ["string", "integer"], "pattern": pattern, "minimum": 1, "maximum": most})


Cores = Annotated[str, Field(pattern=_CORES), _amount(_CORES, 9999)]
Bytes = Annotated[str, Field(pattern=_BYTES), _amount(_BYTES, 10**15 - 1)]
Cidr = Annotated[str, Field(pattern=CIDR)]
_MEMORY = {process.name: process.memory_mb for part in COMPONENTS for process in part.processes}


class Part(BaseModel):
    """A part of the values: camel case as everything of Kubernetes, and unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


class Amounts(Part):
    """CPU and memory."""

    cpu: Cores = Field(description="Cores, or thousandths of one (`250m`).")
    memory: Bytes = Field(description="Bytes (`512Mi`).")


class Resources(Part):
    """What is reserved for a container, and the most it gets."""

    requests: Amounts = Field(description="What the scheduler reserves.")
    limits: Amounts = Field(description="The most it gets; over this memory it is killed.")


class Storage(Part):
    """A volume that lasts."""

    size: Bytes = Field(description="Size of the volume.")
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
