"""Which schemas a command writes and judges in a shadow: ``LAKEHOLD_SHADOWS``, set inside an audited group.

Only the standard library is used, because every Python environment of the platform reads it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping

from lakehold.errors import ConfigError

VARIABLE = "LAKEHOLD_SHADOWS"
"""A JSON object, target schema → shadow schema."""


def redirected(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return target schema → shadow schema; empty outside an audited group."""
    text = environment.get(VARIABLE, "")
    if not text:
        return {}
    try:
        shadows = json.loads(text)
    except json.JSONDecodeError as error:
        raise _wrong(text, str(error)) from error
    if not isinstance(shadows, dict) or not all(isinstance(name, str) and name for name in shadows.values()):
        raise _wrong(text, "it is no JSON object of names")
    return shadows


def _wrong(text: str, why: str) -> ConfigError:
    return ConfigError(
        f"{VARIABLE} is not understood: {text[:200]!r}.",
        why=why,
        remedy=f"""unset {VARIABLE}, or set it like '{{"gold": "gold__audit_0123456789"}}'""",
    )
