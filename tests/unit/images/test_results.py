"""The chart is told which images were built."""

from __future__ import annotations

import yaml
from lakehold.cluster.values import Values
from lakehold.images.results import values


def test_the_chart_takes_the_values_and_images_it_does_not_use_are_left_out() -> None:
    found = yaml.safe_load(values({"trino": "1.0-0123456789ab", "spark": "1.0-1", "platform": "1.0-012345678901"}))
    assert found == {"images": {"platform": {"tag": "1.0-012345678901"}, "trino": {"tag": "1.0-0123456789ab"}}}
    assert Values.model_validate(found).images.trino.tag == "1.0-0123456789ab"
