"""An OpenMetadata that is run here: keys and tokens of its own, its release left as it is, no known password."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from lakehold.components.generated import generate
from lakehold.components.openmetadata_admin import change
from lakehold.components.openmetadata_prepare import link, write_keys
from lakehold.components.openmetadata_tokens import key_files, token
from lakehold.components.registry import COMPONENTS, EVERY, components_of
from lakehold.config.settings import Settings
from lakehold.errors import ConfigError, StartError
from pydantic import ValidationError

HERE = {"home": "om", "search": "http://127.0.0.1:9200"}


@pytest.fixture(scope="module")
def secret() -> str:
    return generate("openmetadata.rsa")


def test_it_is_a_component_only_where_the_settings_name_a_release() -> None:
    assert components_of(Settings()) == COMPONENTS
    assert components_of(Settings.model_validate({"openmetadata": HERE})) == EVERY


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({**HERE, "url": "https://om.example", "token_file": "bot"}, "keep one of both"),
        ({"home": "om"}, "needs an OpenSearch"),
        ({"search": "http://127.0.0.1:9200"}, "needs an OpenSearch"),
        ({**HERE, "search": "http://127.0.0.1"}, "pattern"),
        ({**HERE, "search": "http://user:word@127.0.0.1:9200"}, "pattern"),
    ],
)
def test_settings_that_cannot_be_are_refused(said: dict[str, str], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        Settings.model_validate({"openmetadata": said})


def part(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_a_token_is_the_user_s_and_signed_with_the_key_whose_public_half_the_server_reads(secret: str) -> None:
    made = token(secret, "a-key", "ingestion-bot")
    header, claims, signature = made.split(".")
    assert json.loads(part(header)) == {"alg": "RS256", "kid": "a-key", "typ": "JWT"}
    assert json.loads(part(claims))["email"] == "ingestion-bot@lakehold.local"
    public = serialization.load_der_public_key(key_files(secret)["public_key.der"])
    assert isinstance(public, rsa.RSAPublicKey)
    signed = f"{header}.{claims}".encode()
    public.verify(part(signature), signed, padding.PKCS1v15(), hashes.SHA256())
    with pytest.raises(InvalidSignature):
        public.verify(part(signature), signed + b"!", padding.PKCS1v15(), hashes.SHA256())
    assert made == token(secret, "a-key", "ingestion-bot"), "a plan is the same each time"


def test_keys_are_their_owner_s_only(secret: str, tmp_path: Path) -> None:
    for _again in range(2):
        write_keys(secret, tmp_path / "keys")
    files = list((tmp_path / "keys").iterdir())
    assert {file.name for file in files} == {"private_key.der", "public_key.der"}
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}


def release(folder: Path) -> Path:
    for name in ("bin", "bootstrap", "conf", "libs"):
        (folder / name).mkdir(parents=True)
    (folder / "bin" / "openmetadata-server-start.sh").touch()
    return folder


def test_a_release_is_used_from_where_it_is(tmp_path: Path) -> None:
    one, two, run = release(tmp_path / "1.2"), release(tmp_path / "2.0"), tmp_path / "run"
    for home in (one, one, two):
        link(home, run)
        assert (run / "conf").resolve() == home / "conf"
    assert (run / "logs").is_dir()
    assert not (one / "logs").exists()


def test_a_folder_that_is_no_release_is_refused(tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    with pytest.raises(ConfigError, match="no bin, bootstrap, libs"):
        link(tmp_path, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("_time", range(20))
def test_its_password_is_one_that_it_takes(_time: int) -> None:
    password = generate("openmetadata.admin")
    assert len(password) == 16
    assert all(any(map(kind, password)) for kind in (str.isupper, str.islower, str.isdigit))
    assert not password.isalnum()


class FakeLogins:
    """A FAKE of OpenMetadata's logins, as a live 1.2 answered; ``takes`` says whether it takes a new password."""

    def __init__(self, password: str, *, takes: bool = True) -> None:
        self.password = password
        self._takes = takes

    def __call__(self, request: httpx.Request) -> httpx.Response:
        said: dict[str, Any] = json.loads(request.content)
        if request.url.path == "/api/v1/users/login":
            known = base64.b64decode(said["password"]).decode() == self.password
            return httpx.Response(200, json={"accessToken": "of-admin"}) if known else httpx.Response(401)
        assert request.method == "PUT"
        assert request.headers["Authorization"] == "Bearer of-admin"
        assert said["oldPassword"] == self.password
        assert said["newPassword"] == said["confirmPassword"]
        if not self._takes:
            return httpx.Response(400, text="Password must be of minimum 8 characters")
        self.password = said["newPassword"]
        return httpx.Response(200)

    def client(self) -> httpx.Client:
        return httpx.Client(base_url="http://127.0.0.1", transport=httpx.MockTransport(self))


def test_the_known_password_is_taken_away() -> None:
    fake = FakeLogins("admin")
    with fake.client() as client:
        assert change(client, "a-new-Passw0rd")
        assert fake.password == "a-new-Passw0rd"
        assert not change(client, "another-Passw0rd"), "it is not the known one any more"
    assert fake.password == "a-new-Passw0rd"


def test_what_somebody_has_chosen_stays() -> None:
    fake = FakeLogins("somebody's own")
    with fake.client() as client:
        assert not change(client, "a-new-Passw0rd")
    assert fake.password == "somebody's own"


def test_a_password_that_is_not_taken_stops_the_start() -> None:
    with FakeLogins("admin", takes=False).client() as client, pytest.raises(StartError, match="HTTP 400"):
        change(client, "short")
