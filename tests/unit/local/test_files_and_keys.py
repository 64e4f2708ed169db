from __future__ import annotations

import base64
import datetime as dt
import ssl
import stat
import threading
from pathlib import Path

import pytest
from cryptography import x509
from lakehold.components.certificates import RENEW_DAYS
from lakehold.components.generated import generate
from lakehold.local.files import ensure_directory, locked, read_json, write_atomic, write_json
from lakehold.local.secretfiles import ensure_secrets
from lakehold.local.tls import ensure_certificates, expiry

NOW = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_writing_tells_whether_anything_changed_and_mends_modes(tmp_path):
    path = tmp_path / "file"
    assert write_atomic(path, "a")
    assert not write_atomic(path, "a")
    path.chmod(0o644)
    assert write_atomic(path, "a")
    assert mode(path) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_truncated_json_file_is_no_json(tmp_path):
    path = tmp_path / "file"
    write_json(path, {"a": 1})
    assert read_json(path) == {"a": 1}
    path.write_text('{"a":')
    assert read_json(path) is None
    assert read_json(tmp_path / "none") is None


def test_an_open_folder_is_closed(tmp_path):
    tmp_path.chmod(0o755)
    assert mode(ensure_directory(tmp_path)) == 0o700


def test_a_lock_names_its_holder_and_excludes(tmp_path):
    order: list[str] = []
    seen: list[int | None] = []
    inside = threading.Event()

    def other() -> None:
        inside.wait()
        with locked(tmp_path / "lock", seen.append):
            order.append("second")

    thread = threading.Thread(target=other)
    thread.start()
    with locked(tmp_path / "lock"):
        inside.set()
        while not seen:
            pass
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
    assert (tmp_path / "lock").read_text() == ""
    assert seen[0] is not None


def test_waiting_for_a_lock_can_be_given_up(tmp_path):
    def give_up(_pid: int | None) -> None:
        raise TimeoutError

    with locked(tmp_path / "lock"), pytest.raises(TimeoutError), locked(tmp_path / "lock", give_up):
        pass


def test_secrets_are_made_once_and_closed(tmp_path):
    first = ensure_secrets(tmp_path / "secrets", ["a.password", "airflow.fernet"])
    again = ensure_secrets(tmp_path / "secrets", ["a.password", "airflow.fernet", "b.password"])
    assert {name: again[name] for name in first} == first
    assert len(set(again.values())) == 3
    assert mode(tmp_path / "secrets") == 0o700
    assert {mode(path) for path in (tmp_path / "secrets").iterdir()} == {0o600}


def test_secrets_survive_every_syntax_and_a_fernet_key_is_one():
    assert len(base64.urlsafe_b64decode(generate("airflow.fernet"))) == 32
    value = generate("a.password")
    assert value.isalnum()
    assert len(value) == 40


def test_the_server_certificate_is_believed_by_who_has_the_ca(tmp_path):
    assert ensure_certificates(tmp_path, "127.0.0.1", NOW)
    assert {mode(path) for path in tmp_path.iterdir()} == {0o600}
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    client = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    for name in ("127.0.0.1", "localhost"):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        one = client.wrap_bio(incoming, outgoing, server_hostname=name)
        other = context.wrap_bio(outgoing, incoming, server_side=True)
        for _ in range(4):
            for end in (one, other):
                try:
                    end.do_handshake()
                except ssl.SSLWantReadError:
                    continue
        assert one.version() == "TLSv1.3"


def test_certificates_are_kept_then_renewed_by_the_same_ca_then_replaced(tmp_path):
    ensure_certificates(tmp_path, "127.0.0.1", NOW)
    authority, server = (tmp_path / "ca.pem").read_text(), (tmp_path / "server.pem").read_text()
    assert not ensure_certificates(tmp_path, "127.0.0.1", NOW + dt.timedelta(days=700))
    later = NOW + dt.timedelta(days=826 - RENEW_DAYS)
    assert ensure_certificates(tmp_path, "127.0.0.1", later)
    assert (tmp_path / "ca.pem").read_text() == authority
    assert (tmp_path / "server.pem").read_text() != server
    assert expiry(tmp_path) == later + dt.timedelta(days=825)
    assert ensure_certificates(tmp_path, "127.0.0.1", NOW + dt.timedelta(days=3600))
    assert (tmp_path / "ca.pem").read_text() != authority


def test_another_address_gets_another_certificate(tmp_path):
    ensure_certificates(tmp_path, "127.0.0.1", NOW)
    assert ensure_certificates(tmp_path, "10.1.2.3", NOW)
    certificate = x509.load_pem_x509_certificate((tmp_path / "server.pem").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "10.1.2.3" in [str(address) for address in names.get_values_for_type(x509.IPAddress)]


def test_a_damaged_certificate_is_replaced(tmp_path):
    ensure_certificates(tmp_path, "127.0.0.1", NOW)
    (tmp_path / "server.pem").write_text("garbage")
    assert ensure_certificates(tmp_path, "127.0.0.1", NOW)
    assert expiry(tmp_path) == NOW + dt.timedelta(days=825)
