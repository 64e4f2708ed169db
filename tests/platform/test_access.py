"""Who is refused: strangers, wrong passwords, readers who write, plain HTTP, other machines."""

from __future__ import annotations

import contextlib
import ipaddress
import ssl

import httpx
import psutil
import pytest
from running_platform import RunningPlatform


def _ask_trino(variables: dict[str, str], *, user: str, password: str | None) -> httpx.Response:
    return httpx.post(
        f"{variables['TRINO_URL']}/v1/statement",
        content="select 1",
        headers={"X-Trino-User": user},
        auth=(user, password) if password is not None else None,
        verify=ssl.create_default_context(cafile=variables["TRINO_CA"]),
        trust_env=False,
    )


@pytest.mark.parametrize("password", ["wrong", "", None])
def test_trino_refuses_who_does_not_know_the_password(platform: RunningPlatform, password: str | None) -> None:
    assert _ask_trino(platform.variables(), user="admin", password=password).status_code == 401


def test_trino_answers_who_does(platform: RunningPlatform) -> None:
    variables = platform.variables()
    answer = _ask_trino(variables, user=variables["TRINO_USER"], password=variables["TRINO_PASSWORD"])
    assert answer.status_code == 200


def test_trino_has_no_plain_http(platform: RunningPlatform) -> None:
    address = platform.variables()["TRINO_URL"].replace("https:", "http:")
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{address}/v1/info", trust_env=False)


@pytest.mark.parametrize(
    "statement",
    [
        "select * from lakehouse.silver.flights",
        "create table lakehouse.gold.mine (a integer)",
        "create schema lakehouse.mine",
        "drop table lakehouse.gold.delays",
        "delete from lakehouse.silver.flights",
    ],
)
def test_an_analyst_only_reads_gold(day_run: tuple[RunningPlatform, str], statement: str) -> None:
    platform, _ = day_run
    assert int(platform.sql("select count(*) as n from lakehouse.gold.delays", user="analyst")[0]["n"]) > 0
    done = platform.lakehold("sql", "--user", "analyst", statement, check=False)
    assert done.returncode == 7
    assert "Access Denied" in done.stderr


@pytest.mark.parametrize("password", ["wrong", "admin", ""])
def test_airflow_refuses_who_does_not_know_the_password(platform: RunningPlatform, password: str) -> None:
    url = platform.variables()["AIRFLOW_URL"]
    login = {"username": "admin", "password": password}
    assert httpx.post(f"{url}/auth/token", json=login, trust_env=False).status_code in {400, 401, 422}
    assert httpx.get(f"{url}/api/v2/dags", trust_env=False).status_code == 401


def test_the_object_store_refuses_who_has_no_key(platform: RunningPlatform) -> None:
    url = platform.variables()["AWS_ENDPOINT_URL_S3"]
    for bucket in ("lakehouse", "landing", "quarantine"):
        assert httpx.get(f"{url}/{bucket}", trust_env=False).status_code == 403


def test_the_lineage_service_refuses_who_has_no_token(platform: RunningPlatform) -> None:
    url = platform.variables()["OPENLINEAGE_URL"]
    assert httpx.post(f"{url}/api/v1/lineage", json={}, trust_env=False).status_code == 401
    assert httpx.get(f"{url}/api/v1/runs", trust_env=False).status_code == 401


def _is_loopback(text: str) -> bool:
    address = ipaddress.ip_address(text)
    # Java writes 127.0.0.1 as an IPv6 address.
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def test_nothing_listens_off_loopback(platform: RunningPlatform) -> None:
    mine = {process.pid for process in platform.processes()}
    listeners = [
        (connection.pid, connection.laddr.ip, connection.laddr.port)
        for connection in psutil.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN and connection.pid in mine
    ]
    assert len(listeners) >= 5  # PostgreSQL, object store, Trino, Airflow, lineage
    assert [listener for listener in listeners if not _is_loopback(listener[1])] == []


def test_secrets_are_for_their_owner_only(platform: RunningPlatform) -> None:
    private = [path for folder in ("secrets", "conf", "tls") for path in (platform.state / folder).rglob("*")]
    assert len(private) > 20
    assert [path for path in private if path.stat().st_mode & 0o077] == []


def test_no_secret_is_on_a_command_line_or_in_a_log(platform: RunningPlatform) -> None:
    secrets = [path.read_text().strip() for path in (platform.state / "secrets").iterdir() if path.is_file()]
    assert len(secrets) > 10
    for process in platform.processes():
        with contextlib.suppress(psutil.NoSuchProcess):
            line = " ".join(process.cmdline())
            assert not [secret for secret in secrets if secret in line], process.name()
    logs = [path for path in platform.state.rglob("*.log*") if path.is_file()]
    assert logs
    for log in logs:
        text = log.read_text(errors="replace")
        assert not [secret for secret in secrets if secret in text], log
