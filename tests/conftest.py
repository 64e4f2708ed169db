"""What all tests share."""

from __future__ import annotations

from hypothesis import settings

# A machine that runs a platform beside the tests is slow in bursts: no deadline, and examples enough to find mistakes.
settings.register_profile("lakehold", deadline=None, max_examples=40)
settings.load_profile("lakehold")
