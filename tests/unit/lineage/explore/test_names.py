import pytest
from lakehold.lineage.explore import names
from lakehold.lineage.model import WHOLE, Column, Table

FLIGHTS = Table("lakehouse", "silver.flights")


@pytest.mark.parametrize(
    ("column", "text"),
    [
        (Column(FLIGHTS, WHOLE), "silver.flights"),
        (Column(FLIGHTS, "origin"), "silver.flights.origin"),
        (Column(FLIGHTS, "crew.name"), "silver.flights.crew.name"),
        (Column(Table("lakehouse", "a.b.c"), "d"), "a.b.c#d"),
        (Column(Table("lakehouse", "lonely"), "d"), "lonely#d"),
        (Column(Table("s3://landing", "flights"), WHOLE), "s3://landing/flights"),
        (Column(Table("s3://landing", "flights/2013"), "origin"), "s3://landing/flights/2013#origin"),
        (Column(Table("postgres://db:5432", "shop.public.orders"), "id"), "postgres://db:5432/shop.public.orders#id"),
        (Column(Table("file", "/tmp/x.csv"), WHOLE), "file//tmp/x.csv"),  # noqa: S108 - a name, not a file
    ],
)
def test_what_is_written_is_read_as_the_same(column: Column, text: str) -> None:
    assert names.column_title(column, "lakehouse") == text
    assert column in names.readings(text, "lakehouse")


def test_the_likeliest_reading_comes_first() -> None:
    assert names.readings("silver.flights.origin", "lakehouse")[0] == Column(FLIGHTS, "origin")
    assert names.readings("silver.flights#origin", "lakehouse")[0] == Column(FLIGHTS, "origin")
    assert names.readings("s3://landing/a#b", "lakehouse")[0].name == "b"


def test_the_catalog_may_be_said() -> None:
    assert Column(FLIGHTS, "origin") in names.readings("lakehouse.silver.flights.origin", "lakehouse")
    assert Column(FLIGHTS, "origin") in names.readings("lakehouse.silver.flights#origin", "lakehouse")
    # A schema may have the catalog's name.
    assert names.readings("lakehouse.t.c", "lakehouse")[0] == Column(Table("lakehouse", "lakehouse.t"), "c")


@pytest.mark.parametrize("text", ["/", "#", "a#", "#a", ".", "..", "://", "a//b", "/" * 500, " "])
def test_nonsense_has_few_readings_and_no_crash(text: str) -> None:
    assert len(names.readings(text, "lakehouse")) <= 130
