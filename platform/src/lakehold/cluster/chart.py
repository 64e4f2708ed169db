"""What of the chart is made from the declarations: ``python -m lakehold.cluster.chart [--check] CHECKOUT``.

``values.yaml``, its schema, its reference page, and the facts the templates read. With ``--check`` nothing is written,
and the exit code is 1 when a file is not what it would be made to be.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from lakehold.cluster.declared import declared
from lakehold.cluster.values import Values
from lakehold.components.registry import COMPONENTS

CHART = Path("helm") / "lakehold"
_MADE = "Made by `python -m lakehold.cluster.chart`; to change it, change the declarations it is made from."
_WIDTH = 118

_PAGE = """\
# Values of the chart

Made from the declarations in `platform/src/lakehold/` by `python -m lakehold.cluster.chart`; a test fails when it is
stale. What is below `settings` has the meaning it has in `lakehold.toml` (see [settings](settings.md)).

| value | default | meaning |
|---|---|---|
"""
_KEYS = """
## Keys of the Secret

`secrets.existingSecret` names a Secret with all of these; without it one is made, once. Each is one line of text;
`airflow.fernet` is a Fernet key, 32 random bytes in URL-safe base64.

"""
_CERTIFICATE = """
## The certificate

The certificate of `tls.existingSecret` is the one Trino shows: it is for the host `<release>-trino`, and for
`localhost` and 127.0.0.1, where `lakehold sql` finds the end of a tunnel. Everybody checks it against `ca.crt`.
"""


_OUTSIDE = """
## Keys that others give

Where a service is outside, nobody can draw its keys: they are in the Secret `secrets.outside`, or with all others in
`secrets.existingSecret`.

- `postgres.superuser`: the password of `postgres.outside.admin`
- `s3.trino`, `s3.spark`, `s3.engine`, `s3.airflow`, `s3.delivery`, `s3.lineage`: the secret keys that belong to
  `settings.s3.access_keys`
- `catalog.credential` (`client-id:client-secret`) or `catalog.token`, as `secrets.catalog` says
- `git.token`, with `airflow.git.token`
- `openmetadata.database`: the password of `openmetadata.database.user`
- `openmetadata.token`, with `settings.openmetadata.url`: the token of one of its bots
- `openlineage.token`, with `secrets.openlineage`
"""


def files() -> dict[Path, str]:
    """Return every generated file, by its path in a checkout; pure."""
    return {
        CHART / "values.yaml": values_yaml(Values()),
        CHART / "values.schema.json": json.dumps(schema(), indent=2) + "\n",
        CHART / "files" / "declared.yaml": f"# {_MADE}\n" + _dump(declared(COMPONENTS)),
        Path("docs") / "reference" / "chart.md": page(Values()),
    }


def values_yaml(values: BaseModel) -> str:
    """Write the values with their defaults, each below what it means."""
    return "\n".join([f"# {_MADE}", *_lines(values, "")]) + "\n"


def _lines(values: BaseModel, indent: str) -> Iterator[str]:
    for key, value, meaning in _fields(values):
        if isinstance(value, BaseModel):
            yield from [] if indent else ["", f"# {(value.__doc__ or '').strip().splitlines()[0]}"]
            yield f"{indent}{key}:"
            yield from _lines(value, indent + "  ")
        else:
            yield f"{indent}# {meaning}"
            yield f"{indent}# {key}: null" if value is None else f"{indent}{key}: {_scalar(value)}"


def _fields(values: BaseModel) -> Iterator[tuple[str, Any, str]]:
    """Yield name, value and meaning, as the user of the chart writes them."""
    for name, field in type(values).model_fields.items():
        yield field.serialization_alias or field.alias or name, getattr(values, name), field.description or ""


def _scalar(value: Any) -> str:
    """Write a value that fits on a line."""
    return yaml.safe_dump(value, default_flow_style=True, width=_WIDTH).removesuffix("...\n").rstrip("\n")


class _Indented(yaml.SafeDumper):
    """Lists are indented below their key, as everywhere in this repository."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002 - yaml's signature
        super().increase_indent(flow, False)


def _dump(data: Mapping[str, Any]) -> str:
    return yaml.dump(data, Dumper=_Indented, sort_keys=False, width=_WIDTH)


def schema() -> dict[str, Any]:
    """Return the JSON schema of the values, in the draft that every Helm 3 knows."""
    made = Values.model_json_schema(by_alias=True, ref_template="#/definitions/{model}")
    made["definitions"] = made.pop("$defs")
    cleaned: dict[str, Any] = _clean(made)
    return {"$schema": "http://json-schema.org/draft-07/schema#", "title": "Values of the chart lakehold", **cleaned}


def _clean(node: Any) -> Any:  # a JSON document is a tree of Any
    """Leave out what says nothing: titles made of names, and the defaults of whole sections, which are values.yaml."""
    if isinstance(node, dict):
        return {key: _clean(value) for key, value in node.items() if not _empty(key, value)}
    return [_clean(one) for one in node] if isinstance(node, list) else node


def _empty(key: str, value: Any) -> bool:
    return (key == "title" and isinstance(value, str)) or (key == "default" and isinstance(value, dict))


def page(values: BaseModel) -> str:
    """Write the reference page."""
    rows = [f"| `{path}` | {_cell(value)} | {meaning} |" for path, value, meaning in _flat(values, "")]
    keys = [f"- `{name}`" for name in declared(COMPONENTS)["secrets"]]
    extra = declared(COMPONENTS)["openmetadata"]
    keys += [f"- `{name}`, with `openmetadata.enabled`" for name in extra["secrets"]]
    return _PAGE + "\n".join(rows) + "\n" + _KEYS + "\n".join(keys) + "\n" + _OUTSIDE + _CERTIFICATE


def _flat(values: BaseModel, prefix: str) -> Iterator[tuple[str, Any, str]]:
    for key, value, meaning in _fields(values):
        if isinstance(value, BaseModel):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value, meaning


def _cell(value: Any) -> str:
    if value in (None, "", []):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def stale(checkout: Path) -> list[Path]:
    """Return the generated files that are not what they would be made to be."""
    return [
        path
        for path, text in files().items()
        if not (checkout / path).is_file() or (checkout / path).read_text(encoding="utf-8") != text
    ]


def main(arguments: list[str]) -> int:
    """Write, or with ``--check`` only compare."""
    checkout = Path(arguments[-1])
    if "--check" in arguments:
        old = stale(checkout)
        sys.stdout.write("".join(f"{path} is stale; to mend it: python -m lakehold.cluster.chart .\n" for path in old))
        return 1 if old else 0
    for path, text in files().items():
        (checkout / path).parent.mkdir(parents=True, exist_ok=True)
        (checkout / path).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
