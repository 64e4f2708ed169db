"""The policy file (``maintenance.yml``): its keys, defaults and meaning, in this one place."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from lakehold.errors import ConfigError

FILE = "maintenance.yml"
"""The policy file, at the top of a checkout; without one the defaults hold for every table."""

_DURATIONS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SIZES = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def duration(value: Any) -> Any:
    """Read ``90s``, ``15m``, ``12h`` or ``5d``."""
    found = re.fullmatch(r"(\d+)([smhd])", value) if isinstance(value, str) else None
    if found:
        return timedelta(seconds=int(found[1]) * _DURATIONS[found[2]])
    if isinstance(value, timedelta):
        return value
    raise ValueError(f"{value!r} is no duration: write a number and s, m, h or d, like 5d")


def size(value: Any) -> Any:
    """Read ``512KB``, ``128MB`` or ``2GB`` (powers of ten), in bytes."""
    found = re.fullmatch(r"(\d+)(B|KB|MB|GB|TB)", value) if isinstance(value, str) else None
    if found:
        return int(found[1]) * _SIZES[found[2]]
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ValueError(f"{value!r} is no size: write a number and B, KB, MB, GB or TB, like 128MB")


Duration = Annotated[timedelta, BeforeValidator(duration)]
Size = Annotated[int, BeforeValidator(size), Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Compaction(_Section):
    """``compaction``: small files of a partition are rewritten as large ones."""

    target: Size = Field(default=128_000_000, description="Size a data file should have.")
    small: Share = Field(default=0.75, description="A file below this share of the target is small.")
    least: int = Field(default=5, ge=2, description="Small files of one partition from which on a rewrite pays.")
    strategy: Literal["binpack", "sort", "zorder"] = Field(
        default="binpack",
        description="`binpack` only merges; `sort` orders the rows by `order`; `zorder` interleaves several columns.",
    )
    order: tuple[str, ...] = Field(
        default=(), description="Columns to sort by; for `sort`, empty is the table's own sort order."
    )
    decay: Share = Field(
        default=0.3, description="Rows are sorted again when this share of pairs of files overlap in the first column."
    )


class Deletes(_Section):
    """``deletes``: rows deleted by delete files are taken out of the data files."""

    files: int = Field(default=10, ge=1, description="Delete files from which on they are rewritten.")
    rows: Share = Field(default=0.1, description="Share of deleted rows from which on they are rewritten.")


class Manifests(_Section):
    """``manifests``: many small manifests are merged."""

    target: Size = Field(default=8_000_000, description="Size a manifest should have.")
    least: int = Field(default=20, ge=2, description="Manifests more than needed from which on they are merged.")
    dead: int = Field(default=2, ge=1, description="Manifests without a live file from which on they are left out.")


class Snapshots(_Section):
    """``snapshots``: old snapshots are expired; heads of branches and tags never are."""

    keep: Duration = Field(default=timedelta(days=5), description="How long a snapshot can be travelled back to.")
    most: int = Field(default=100, ge=1, description="Snapshots kept at most, even if younger; the newest are kept.")
    least: int = Field(default=1, ge=1, description="Snapshots kept at least, even if older.")
    excess: int = Field(default=10, ge=1, description="Snapshots to expire from which on it pays.")
    readers: Duration = Field(
        default=timedelta(hours=1), description="Files of expired snapshots stay this long: the longest query."
    )


class Orphans(_Section):
    """``orphans``: files below the table's location that nothing refers to are deleted."""

    older: Duration = Field(
        default=timedelta(days=3), ge=timedelta(days=1), description="Age of a file before it counts; at least `1d`."
    )
    dry: Duration = Field(
        default=timedelta(days=7), description="How long orphans of a table new to our records are only reported."
    )
    bytes: Size = Field(default=0, description="Orphan bytes from which on they are deleted.")


class Statistics(_Section):
    """``statistics``: ANALYZE, for the planner of Trino."""

    changed: Share = Field(default=0.2, description="Share of rows changed since the last ANALYZE.")
    rows: int = Field(default=10_000, ge=0, description="Rows below which a table is not worth it.")


class Policy(_Section):
    """Everything about one table."""

    enabled: bool = Field(default=True, description="`false` leaves the table alone.")
    compaction: Compaction = Compaction()
    deletes: Deletes = Deletes()
    manifests: Manifests = Manifests()
    snapshots: Snapshots = Snapshots()
    orphans: Orphans = Orphans()
    statistics: Statistics = Statistics()


class Budget(_Section):
    """``budget``: what one run may spend, on all tables together."""

    seconds: int = Field(default=3600, ge=1, description="Time of one run; an action under way is finished.")
    bytes: Size = Field(default=200_000_000_000, description="Bytes one run rewrites at most.")


class PolicyFile:
    """The whole file: defaults, and what schemas and tables have of their own."""

    def __init__(self, raw: Mapping[str, Any], path: str = FILE) -> None:
        self._path = path
        if unknown := set(raw) - {"budget", "defaults", "schemas", "tables"}:
            raise self._unknown((str(min(unknown)),), ("budget", "defaults", "schemas", "tables"))
        self._defaults = _mapping(raw, ("defaults",), path)
        self._schemas = {name: _mapping(raw, ("schemas", name), path) for name in _mapping(raw, ("schemas",), path)}
        self._tables = {name: _mapping(raw, ("tables", name), path) for name in _mapping(raw, ("tables",), path)}
        self.budget: Budget = self._valid(Budget, _mapping(raw, ("budget",), path), ("budget",))
        # Each part is tried on its own, so that a message names the place of the mistake.
        self._valid(Policy, self._defaults, ("defaults",))
        for name, part in self._schemas.items():
            self._valid(Policy, part, ("schemas", name))
        for name, part in self._tables.items():
            if "." not in name:
                raise ConfigError(f"{path}: tables.{name}: expected schema.table", remedy=f"correct {path}")
            self._valid(Policy, part, ("tables", name))

    def of(self, schema: str, table: str) -> Policy:
        """Return the policy of one table: defaults, then its schema's, then its own."""
        own = self._tables.get(f"{schema}.{table}", {})
        merged = _merge(_merge(self._defaults, self._schemas.get(schema, {})), own)
        policy: Policy = self._valid(Policy, merged, ("tables", f"{schema}.{table}"))
        return policy

    def _valid(self, model: type[Any], part: Mapping[str, Any], where: tuple[str, ...]) -> Any:
        try:
            return model.model_validate(part)
        except ValidationError as error:
            detail = error.errors()[0]
            place = (*where, *(str(step) for step in detail["loc"]))
            if detail["type"] == "extra_forbidden":
                raise self._unknown(place, _keys(model, detail["loc"][:-1])) from error
            raise ConfigError(
                f"{self._path}: {'.'.join(place)}: {detail['msg']}",
                remedy=f"correct {self._path} (all keys: docs/reference/maintenance.md)",
            ) from error

    def _unknown(self, place: tuple[str, ...], known: tuple[str, ...]) -> ConfigError:
        close = difflib.get_close_matches(place[-1], known, n=1)
        hint = f'did you mean "{close[0]}"?' if close else f"known: {', '.join(known)}"
        return ConfigError(
            f"{self._path}: {'.'.join(place)}: unknown key, {hint}",
            remedy=f"correct {self._path} (all keys: docs/reference/maintenance.md)",
        )


def load(checkout: Path) -> PolicyFile:
    """Read the policy file of a checkout; :class:`ConfigError` names the key that is wrong."""
    path = checkout / FILE
    if not path.is_file():
        return PolicyFile({})
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not YAML.", why=str(error), remedy=f"correct {path}") from error
    if raw is not None and not isinstance(raw, dict):
        raise ConfigError(f"{path}: expected a mapping", remedy=f"correct {path}")
    return PolicyFile(raw or {}, FILE)


def _mapping(raw: Mapping[str, Any], steps: tuple[str, ...], path: str) -> dict[str, Any]:
    found: Any = raw
    for step in steps:
        found = found.get(step)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise ConfigError(f"{path}: {'.'.join(steps)}: expected a mapping", remedy=f"correct {path}")
    return found


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value) if both else value
    return merged


def _keys(model: Any, steps: tuple[int | str, ...]) -> tuple[str, ...]:
    for step in steps:
        annotation = model.model_fields[step].annotation
        model = next((part for part in get_args(annotation) if isinstance(part, type)), annotation)
    return tuple(model.model_fields)
