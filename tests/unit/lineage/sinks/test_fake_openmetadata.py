"""The fake OpenMetadata answers as the live 1.2 did whose exchanges were recorded."""

import json
from pathlib import Path
from typing import Any

import pytest
from fake_openmetadata import TOKEN, FakeOpenMetadata
from faulty_http import Request

RECORDED = Path(__file__).parents[3] / "contracts" / "openmetadata-1.2.jsonl"
BUILT_IN = ("columnValuesToBeNotNull", "columnValuesToBeBetween", "tableRowCountToEqual")
TOKENS = {"16a no token": "", "16b no token PUT lineage": "", "16d garbage token": "Bearer garbage"}


@pytest.fixture(scope="module")
def exchanges() -> list[dict[str, Any]]:
    return [json.loads(line) for line in RECORDED.read_text(encoding="utf-8").splitlines()]


def ask(fake: FakeOpenMetadata, exchange: dict[str, Any], ids: dict[str, str]) -> tuple[int, Any]:
    """Send a recorded request with the fake's ids in place of the recorded ones."""
    texts = [exchange["path"], json.dumps(exchange["request"])]
    for recorded, ours in ids.items():
        texts = [text.replace(recorded, ours) for text in texts]
    headers = {"Content-Type": "application/json"}
    authorization = TOKENS.get(exchange["case"], f"Bearer {TOKEN}")
    if authorization:
        headers["Authorization"] = authorization
    answer = fake(Request(exchange["method"], f"/api/v1{texts[0]}", headers, texts[1].encode()))
    return answer.status, json.loads(answer.body) if answer.body else None


def test_it_answers_as_recorded(exchanges: list[dict[str, Any]]) -> None:
    fake = FakeOpenMetadata()
    for name in BUILT_IN:
        fake._upsert("testDefinition", name, {"name": name})
    ids: dict[str, str] = {}
    wrong = []
    for exchange in exchanges:
        status, answer = ask(fake, exchange, ids)
        recorded = exchange["answer"]
        if status != exchange["status"]:
            wrong.append(f"{exchange['case']}: {status} {answer}, recorded {exchange['status']} {recorded}")
        elif status < 300:
            if "id" in recorded and answer:
                ids[recorded["id"]] = answer["id"]
            if "fullyQualifiedName" in recorded and answer.get("fullyQualifiedName") != recorded["fullyQualifiedName"]:
                wrong.append(f"{exchange['case']}: {answer.get('fullyQualifiedName')}, recorded {recorded}")
        elif not _alike(answer, recorded, ids):
            wrong.append(f"{exchange['case']}: {answer}, recorded {recorded}")
    assert not wrong, "\n".join(wrong)
    assert len(exchanges) > 80


def _alike(answer: Any, recorded: dict[str, Any], ids: dict[str, str]) -> bool:
    """Compare messages as far as the publisher reads them: to the first bracket of Java's details."""
    key = "message" if "message" in recorded else "responseMessage"
    said, expected = str(answer.get(key)), str(recorded.get(key))
    for theirs, ours in ids.items():
        expected = expected.replace(theirs, ours)
    cut = min(len(said), 60)
    return said[:cut] == expected[:cut]
