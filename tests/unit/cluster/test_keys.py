"""Secrets are made once, completed when names are added, and never changed."""

from __future__ import annotations

import base64
import datetime as dt
import json
from collections.abc import Mapping

import httpx
import pytest
from cryptography import x509
from lakehold.cluster import api
from lakehold.cluster.keys import ensure, missing_certificate, missing_secrets
from lakehold.errors import StartError

NOW = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
NAMES = ("postgres.superuser", "airflow.fernet")


class Kubernetes:
    """The part of the API that keeps Secrets, with its rules for versions."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, str]] = {}
        self.version = 0
        self.before_write = lambda: None
        self.refuse = 0

    def answer(self, request: httpx.Request) -> httpx.Response:
        name = request.url.path.rpartition("/")[2]
        if self.refuse:
            return httpx.Response(self.refuse, text="secrets is forbidden")
        if request.method == "GET":
            return httpx.Response(200, json=self._shown(name)) if name in self.kept else httpx.Response(404)
        self.before_write()
        body = json.loads(request.content)
        if request.method == "POST":
            name = body["metadata"]["name"]
            if name in self.kept:
                return httpx.Response(409)
            self.kept[name] = {}
        elif body["metadata"]["resourceVersion"] != str(self.version):
            return httpx.Response(409)
        self.put(name, {key: base64.b64decode(value).decode() for key, value in body["data"].items()})
        return httpx.Response(200, json=self._shown(name))

    def put(self, name: str, values: Mapping[str, str]) -> None:
        self.version += 1
        self.kept.setdefault(name, {}).update(values)

    def _shown(self, name: str) -> dict[str, object]:
        data = {key: base64.b64encode(value.encode()).decode() for key, value in self.kept[name].items()}
        return {"metadata": {"resourceVersion": str(self.version)}, "data": data}


@pytest.fixture
def kubernetes() -> Kubernetes:
    return Kubernetes()


@pytest.fixture
def secrets(kubernetes: Kubernetes) -> api.Secrets:
    client = httpx.Client(base_url="https://kubernetes", transport=httpx.MockTransport(kubernetes.answer))
    return api.Secrets(client=client, namespace="demo")


def test_the_first_time_every_value_is_drawn(kubernetes: Kubernetes, secrets: api.Secrets) -> None:
    assert ensure(secrets, "keys", missing_secrets(NAMES)) == sorted(NAMES)
    values = kubernetes.kept["keys"]
    assert len(set(values.values())) == len(NAMES)
    assert all(len(value) >= 40 for value in values.values())


def test_what_exists_stays_and_what_is_new_is_added(kubernetes: Kubernetes, secrets: api.Secrets) -> None:
    ensure(secrets, "keys", missing_secrets(NAMES))
    before = dict(kubernetes.kept["keys"])
    assert ensure(secrets, "keys", missing_secrets(NAMES)) == []
    assert ensure(secrets, "keys", missing_secrets([*NAMES, "s3.root"])) == ["s3.root"]
    assert {name: kubernetes.kept["keys"][name] for name in NAMES} == before


def test_two_at_once_agree(kubernetes: Kubernetes, secrets: api.Secrets) -> None:
    theirs = dict.fromkeys(NAMES, "theirs")

    def faster() -> None:
        kubernetes.before_write = lambda: None
        kubernetes.put("keys", theirs)

    kubernetes.before_write = faster
    assert ensure(secrets, "keys", missing_secrets(NAMES)) == []
    assert kubernetes.kept["keys"] == theirs


def test_a_change_while_adding_is_read_again(kubernetes: Kubernetes, secrets: api.Secrets) -> None:
    kubernetes.put("keys", {"s3.root": "old"})

    def changed() -> None:
        kubernetes.before_write = lambda: None
        kubernetes.put("keys", {NAMES[0]: "theirs"})

    kubernetes.before_write = changed
    assert ensure(secrets, "keys", missing_secrets(NAMES)) == [NAMES[1]]
    assert kubernetes.kept["keys"][NAMES[0]] == "theirs"


def test_a_refusal_says_what_to_do_instead(kubernetes: Kubernetes, secrets: api.Secrets) -> None:
    kubernetes.refuse = 403
    with pytest.raises(StartError, match=r"secrets\.existingSecret"):
        ensure(secrets, "keys", missing_secrets(NAMES))


def names_of(text: str) -> list[str]:
    certificate = x509.load_pem_x509_certificate(text.encode())
    return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(
        x509.DNSName
    )


def test_a_certificate_is_for_the_service_and_signed_by_its_authority() -> None:
    made = missing_certificate(["demo-trino", "demo-trino.lake.svc"], NOW)({})
    assert set(made) == {"ca.crt", "ca.key", "tls.crt", "tls.key"}
    assert {"localhost", "demo-trino", "demo-trino.lake.svc"} == set(names_of(made["tls.crt"]))
    authority = x509.load_pem_x509_certificate(made["ca.crt"].encode())
    x509.load_pem_x509_certificate(made["tls.crt"].encode()).verify_directly_issued_by(authority)


def test_a_certificate_is_kept_until_it_ends_or_lacks_a_name() -> None:
    made = missing_certificate(["demo-trino"], NOW)({})
    assert missing_certificate(["demo-trino"], NOW + dt.timedelta(days=700))(made) == {}
    assert set(missing_certificate(["demo-trino"], NOW + dt.timedelta(days=800))(made)) == {"tls.crt", "tls.key"}
    assert set(missing_certificate(["other-trino"], NOW)(made)) == {"tls.crt", "tls.key"}


def test_an_authority_that_ends_takes_its_certificate_with_it() -> None:
    made = missing_certificate(["demo-trino"], NOW)({})
    renewed = missing_certificate(["demo-trino"], NOW + dt.timedelta(days=3600))(made)
    assert set(renewed) == {"ca.crt", "ca.key", "tls.crt", "tls.key"}
