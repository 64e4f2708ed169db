"""Take OpenMetadata's known password from its administrator: ``python -m … URL``, any number of times.

A new OpenMetadata lets ``admin`` in with the password ``admin``. It gets the one in the environment
(``LAKEHOLD_OPENMETADATA_PASSWORD``); one that somebody has changed since stays.
"""

from __future__ import annotations

import base64
import os
import sys

import httpx

from lakehold.components.openmetadata_tokens import DOMAIN
from lakehold.errors import StartError

ADMIN = f"admin@{DOMAIN}"
_KNOWN = "admin"


def change(client: httpx.Client, password: str) -> bool:
    """Change the known password, if it is still the one; whether it was. :class:`StartError` when that is refused."""
    known = client.post("/api/v1/users/login", json=_login(_KNOWN))
    if known.status_code != 200:
        return False
    answer = client.put(
        "/api/v1/users/changePassword",
        headers={"Authorization": f"Bearer {known.json()['accessToken']}"},
        json={
            "requestType": "SELF",
            "username": "admin",
            "oldPassword": _KNOWN,
            "newPassword": password,
            "confirmPassword": password,
        },
    )
    if answer.is_error or client.post("/api/v1/users/login", json=_login(password)).is_error:
        raise StartError(
            f"OpenMetadata did not take a password for its administrator: HTTP {answer.status_code}.",
            why=answer.text.strip()[:300],
            remedy="it is still the known one: lakehold down openmetadata, then lakehold logs openmetadata",
        )
    return True


def _login(password: str) -> dict[str, str]:
    return {"email": ADMIN, "password": base64.b64encode(password.encode()).decode()}


def main() -> None:
    """Read the address from the command line and the password from the environment."""
    with httpx.Client(base_url=sys.argv[1], timeout=60, trust_env=False) as client:
        changed = change(client, os.environ["LAKEHOLD_OPENMETADATA_PASSWORD"])
    sys.stdout.write("the administrator has a password of his own now\n" if changed else "")


if __name__ == "__main__":
    main()
