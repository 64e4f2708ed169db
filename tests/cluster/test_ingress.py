"""The way in: Airflow, Trino and the lineage page through an ingress controller, with TLS and login."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
import trino
from node import archives, layout, machine
from real_cluster import HOSTS, Cluster, Installation
from waiting import wait_for


@pytest.fixture(scope="module")
def controller(cluster: Cluster) -> str:
    """The address of a controller that serves Ingress objects."""
    node = layout.default()
    machine.load(node, archives.ensure_one(node, "traefik"))
    cluster.kubectl("apply", "-f", str(layout.HERE / "ways_in" / "traefik.yaml"))
    cluster.kubectl("--namespace", "ingress", "rollout", "status", "deploy/traefik", "--timeout=180s")
    [service] = cluster.objects("services", "--namespace", "ingress")
    return str(service["spec"]["clusterIP"])


@pytest.fixture
def outside(controller: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine's resolver knows the hosts, as people's would."""
    real = socket.getaddrinfo

    def known(host: Any, *rest: Any, **named: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        return real(controller if name in HOSTS.values() else host, *rest, **named)

    monkeypatch.setattr(socket, "getaddrinfo", known)


@pytest.fixture
def web(installation: Installation, way_in: Path, outside: None) -> Iterator[httpx.Client]:
    """A browser that trusts the ingress's certificate, and no other."""
    assert outside is None
    assert installation.unready() == []
    trusted = ssl.create_default_context(cafile=way_in)
    with httpx.Client(verify=trusted, timeout=30, trust_env=False) as client:
        host = f"https://{HOSTS['airflow']}"
        wait_for(lambda: client.get(f"{host}/api/v2/version").status_code == 200, 60, "the controller has seen all")
        yield client


def test_airflow_is_logged_in_to_over_tls(installation: Installation, web: httpx.Client) -> None:
    host = f"https://{HOSTS['airflow']}"
    assert web.get(f"{host}/api/v2/dags").status_code == 401
    wrong = web.post(f"{host}/auth/token", json={"username": "admin", "password": "admin"})
    assert wrong.status_code == 401
    login = {"username": "admin", "password": installation.secrets["airflow.admin"]}
    token = web.post(f"{host}/auth/token", json=login).json()["access_token"]
    dags = web.get(f"{host}/api/v2/dags", headers={"Authorization": f"Bearer {token}"}).json()["dags"]
    assert "flights_daily" in {dag["dag_id"] for dag in dags}


def test_a_browser_is_never_sent_away_from_tls(web: httpx.Client) -> None:
    """Airflow makes its own links; behind a controller that ends TLS they have to be https still."""
    answer = web.get(f"https://{HOSTS['airflow']}/")
    while answer.is_redirect:
        target = answer.next_request
        assert target is not None
        assert (target.url.scheme, target.url.host) == ("https", HOSTS["airflow"]), str(target.url)
        answer = web.send(target)
    assert answer.status_code == 200


@pytest.mark.usefixtures("outside")
def test_trino_answers_who_has_a_password(installation: Installation, way_in: Path) -> None:
    session = requests.Session()
    session.trust_env = False
    session.verify = str(way_in)

    def ask(password: str) -> Any:
        login = trino.auth.BasicAuthentication("analyst", password)
        address = {"host": HOSTS["trino"], "port": 443, "http_scheme": "https", "http_session": session}
        with closing(trino.dbapi.connect(**address, user="analyst", auth=login, max_attempts=1)) as connection:
            return connection.cursor().execute("select current_user").fetchall()

    assert ask(installation.secrets["trino.analyst"]) == [["analyst"]]
    with pytest.raises(trino.exceptions.HttpError, match="error 401"):
        ask("wrong")


def test_the_lineage_page_is_there(web: httpx.Client) -> None:
    answer = web.get(f"https://{HOSTS['lineage']}/health")
    assert answer.status_code == 200
    assert web.get(f"https://{HOSTS['lineage']}/api/v1/runs").status_code == 401, json.dumps(answer.text[:200])
