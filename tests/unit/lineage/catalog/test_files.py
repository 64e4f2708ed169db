"""Metadata files: what cannot be read is said, and takes neither the memory nor the others along."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from typing import Any

import pytest
from answering import Answers, answering
from lakehold.lineage.catalog import files
from lakehold.lineage.catalog.files import AwayError, Files, UnreadableError
from lakehold.lineage.catalog.source import Store


@pytest.fixture(scope="module")
def store() -> Iterator[tuple[Answers, Files]]:
    with answering() as answers:
        yield answers, Files(Store(endpoint=answers.url, region="us-east-1", access="a", secret="b"))


def read(store: tuple[Answers, Files], name: str, body: bytes, status: int = 200) -> dict[str, Any]:
    answers, opened = store
    answers.by_path[f"/lakehouse/{name}"] = status, body
    return opened.read(f"s3://lakehouse/{name}", dict)


def test_a_file_is_read_packed_or_not(store: tuple[Answers, Files]) -> None:
    assert read(store, "1.metadata.json", b'{"a": 1}') == {"a": 1}
    assert read(store, "1.gz.metadata.json", gzip.compress(b'{"a": 1}')) == {"a": 1}


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("text.metadata.json", b"no JSON"),
        ("list.metadata.json", b"[]"),
        ("plain.gz.metadata.json", b'{"a": 1}'),
        ("cut.gz.metadata.json", gzip.compress(b'{"a": 1}', mtime=0)[:-9]),
        ("broken.gz.metadata.json", gzip.compress(b"", mtime=0)[:10] + b"\xff" * 20),
    ],
)
def test_what_is_no_metadata_is_said_to_be_none(store: tuple[Answers, Files], name: str, body: bytes) -> None:
    with pytest.raises(UnreadableError, match=name) as told:
        read(store, name, body)
    assert not isinstance(told.value, AwayError)


def test_what_is_too_large_is_not_read_nor_unpacked(
    store: tuple[Answers, Files], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "MOST_BYTES", 1000)
    large = b'{"a": "' + b"x" * 1000 + b'"}'
    for name, body in (("large.metadata.json", large), ("large.gz.metadata.json", gzip.compress(large))):
        with pytest.raises(UnreadableError, match="the most is 1,000"):
            read(store, name, body)


def test_large_files_are_read_one_at_a_time_and_all_are(
    store: tuple[Answers, Files], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_LARGE_BYTES", 4)
    assert read(store, "one.metadata.json", b'{"a": 1}') == {"a": 1}
    assert read(store, "two.gz.metadata.json", gzip.compress(b'{"a": 2}')) == {"a": 2}


def test_a_store_that_is_away_is_told_from_a_file_that_is_not_there(store: tuple[Answers, Files]) -> None:
    with pytest.raises(AwayError):
        read(store, "busy.metadata.json", b"", 503)
    with pytest.raises(UnreadableError) as told:
        read(store, "none.metadata.json", b"", 404)
    assert not isinstance(told.value, AwayError)
    with pytest.raises(AwayError):
        Files(Store(endpoint="http://127.0.0.1:9", region="us-east-1", access="a", secret="b")).read(
            "s3://lakehouse/1.metadata.json", dict
        )
