"""The keys of an OpenMetadata, as the files it reads: ``python -m lakehold.cluster.openmetadata GIVEN FOLDER``.

Its image comes with a key pair, a key's id and a Fernet key that everybody knows: whoever keeps them lets anyone write
himself an administrator's token. So its pods begin with this, which refuses them. (The image's own pair is compared in
its own container, where it is.)
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from lakehold.components.openmetadata_tokens import KEY_ID, RSA, key_files
from lakehold.errors import ConfigError, LakeholdError

FERNET = "openmetadata.fernet"
GENERATED = (RSA, KEY_ID, FERNET)
"""Secrets that are drawn where there are none."""
DATABASE = "openmetadata.database"
"""The password of its role in PostgreSQL, which others make."""
PORT = 8585
"""Where it is reached."""

_KNOWN: Mapping[str, str] = {
    KEY_ID: "Gb389a-9f76-gdjs-a92j-0242bk94356",
    FERNET: "jJ/9sz0g0OHxsfxOoSfdFdmk3ysNmPRnH3TUAbz3IHA=",
}
"""What is in every image: https://github.com/open-metadata/OpenMetadata, conf/openmetadata.yaml."""


def files(secrets: Mapping[str, str]) -> dict[str, bytes]:
    """Return both keys as DER, or raise :class:`ConfigError` for what must not be used; pure."""
    for name, known in _KNOWN.items():
        value = secrets[name].strip()
        if not value or value == known:
            what = "the one that everybody knows, it is in OpenMetadata's image" if value else "empty"
            raise ConfigError(
                f"The secret {name} is {what}.",
                remedy=f"give the key {name} of the installation's Secret another value, and restart the pod",
            )
    return key_files(secrets[RSA])


def main(given: str, folder: str) -> int:
    """Read the secrets, write the files; other users of the pod's group read them."""
    try:
        made = files({name: (Path(given) / name).read_text(encoding="utf-8") for name in GENERATED})
    except LakeholdError as problem:
        sys.stderr.write(f"{problem}\n")
        return problem.exit_code
    for name, content in made.items():
        path = Path(folder) / name
        path.write_bytes(content)
        path.chmod(0o640)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
