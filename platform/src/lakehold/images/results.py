"""What lies beside the archives of a build and says which image is which."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from lakehold.cluster import layout

LIST = "images.json"
VALUES = "values.yaml"
_HEAD = """\
# Which images these are, for `helm install -f`; made by `make images`. A tag stands for its image's content: another
# image has another tag, so no node takes one for the other.
images:
"""


@dataclass(frozen=True, kw_only=True)
class Built:
    """An image in the folder of results; ``digest`` is what a cluster should name it by, once it is in a registry."""

    name: str
    tag: str
    references: tuple[str, ...]
    digest: str
    archive: str
    archive_sha256: str
    size: int


def former(out: Path) -> dict[str, Built]:
    """The images that are in ``out`` as the list says, by name; an archive of another size is none."""
    path = out / LIST
    listed = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    images = [Built(**{**one, "references": tuple(one["references"])}) for one in listed]
    return {one.name: one for one in images if _size(out / one.archive) == one.size}


def record(out: Path, built: Iterable[Built]) -> None:
    """Write the list and the chart's values anew; images that an earlier build left in ``out`` stay in them."""
    found = former(out) | {one.name: one for one in built}
    images = [found[name] for name in sorted(found)]
    _replace(out / LIST, json.dumps([asdict(one) for one in images], indent=1) + "\n")
    _replace(out / VALUES, values({one.name: one.tag for one in images}))


def values(tags: dict[str, str]) -> str:
    """The chart's values with the tags of the images that it uses (pure)."""
    used = sorted(tags.keys() & set(layout.IMAGES.values()))
    return _HEAD + "".join(f"  {name}:\n    tag: '{tags[name]}'\n" for name in used)


def _replace(path: Path, text: str) -> None:
    draft = path.with_name(f"{path.name}.part")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None
