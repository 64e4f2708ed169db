"""OpenMetadata's keys: those everybody knows are refused, and the others are a pair."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from lakehold.cluster import openmetadata
from lakehold.cluster.openmetadata import FERNET, GENERATED, files, main
from lakehold.components.generated import generate
from lakehold.components.openmetadata_tokens import KEY_ID, PRIVATE, PUBLIC, RSA
from lakehold.errors import ConfigError

DRAWN = {name: generate(name) for name in GENERATED}


def as_text(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    der = key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return base64.b64encode(der).decode()


def test_what_is_drawn_is_a_pair_of_keys() -> None:
    made = files(DRAWN)
    private = serialization.load_der_private_key(made[PRIVATE], password=None)
    public = serialization.load_der_public_key(made[PUBLIC])
    assert isinstance(private, rsa.RSAPrivateKey)
    assert isinstance(public, rsa.RSAPublicKey)
    assert private.public_key().public_numbers() == public.public_numbers()
    assert len(base64.urlsafe_b64decode(DRAWN[FERNET])) == 32


@pytest.mark.parametrize("name", [KEY_ID, FERNET])
def test_what_everybody_knows_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} is the one that everybody knows"):
        files({**DRAWN, name: openmetadata._KNOWN[name] + "\n"})
    with pytest.raises(ConfigError, match=f"{name} is empty"):
        files({**DRAWN, name: "\n"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not a key", "no private key"),
        (as_text(ec.generate_private_key(ec.SECP256R1())), "no RSA key"),
        (as_text(rsa.generate_private_key(public_exponent=65537, key_size=1024)), "at least 2048 bits"),  # noqa: S505 - refused
    ],
)
def test_another_kind_of_key_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        files({**DRAWN, RSA: text})


def test_the_files_are_for_the_pods_group_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given, folder = tmp_path / "given", tmp_path / "keys"
    given.mkdir()
    folder.mkdir()
    for name, value in DRAWN.items():
        (given / name).write_text(value, encoding="utf-8")
    assert main(str(given), str(folder)) == 0
    assert {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()} == {PRIVATE: 0o640, PUBLIC: 0o640}
    (given / FERNET).write_text("", encoding="utf-8")
    assert main(str(given), str(folder)) == ConfigError.exit_code
    assert FERNET in capsys.readouterr().err
