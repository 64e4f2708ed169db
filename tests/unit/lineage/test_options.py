from pathlib import Path

import pytest
from lakehold.errors import ConfigError
from lakehold.lineage import options

GOOD = {
    options.DATABASE: "host=127.0.0.1 dbname=lineage",
    options.PORT: "18090",
    options.TOKEN: "0123456789abcdef",
}


def test_what_is_set_is_read() -> None:
    found = options.load(GOOD)
    assert (found.host, found.port, found.token) == ("127.0.0.1", 18090, "0123456789abcdef")


def test_the_token_never_shows() -> None:
    assert "0123456789abcdef" not in repr(options.load(GOOD))


def test_the_token_may_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("from-a-file-0123456789\n")
    assert options.load({**GOOD, options.TOKEN_FILE: str(file)}).token == "from-a-file-0123456789"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({options.DATABASE: ""}, "LAKEHOLD_LINEAGE_DATABASE is not set"),
        ({options.TOKEN: ""}, "LAKEHOLD_LINEAGE_TOKEN is not set"),
        ({options.TOKEN: "short"}, "shorter than 16 characters"),
        ({options.TOKEN_FILE: "/nowhere/token"}, "LAKEHOLD_LINEAGE_TOKEN_FILE cannot be read"),
        ({options.PORT: "70000"}, "LAKEHOLD_LINEAGE_PORT is no TCP port: '70000'"),
        ({options.PORT: "http"}, "LAKEHOLD_LINEAGE_PORT is no TCP port: 'http'"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        options.load({**GOOD, **change})
