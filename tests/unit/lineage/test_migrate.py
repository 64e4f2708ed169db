import pytest
from lakehold.errors import StartError
from lakehold.lineage.migrate import Migration, migrations, pending

ONE = Migration(number=1, name="0001_one.sql", text="SELECT 1")
TWO = Migration(number=2, name="0002_two.sql", text="SELECT 2")


def test_migrations_are_numbered_from_one_without_a_gap() -> None:
    found = migrations()
    assert [migration.number for migration in found] == list(range(1, len(found) + 1))


def test_only_what_is_missing_is_applied() -> None:
    assert pending([ONE, TWO], []) == [ONE, TWO]
    assert pending([ONE, TWO], [(1, ONE.sha256)]) == [TWO]
    assert pending([ONE, TWO], [(1, ONE.sha256), (2, TWO.sha256)]) == []


def test_a_newer_database_is_left_alone() -> None:
    with pytest.raises(StartError, match="migration 2, which this version does not know"):
        pending([ONE], [(1, ONE.sha256), (2, TWO.sha256)])


def test_an_edited_migration_is_refused() -> None:
    with pytest.raises(StartError, match=r"0001_one\.sql is not the file that was applied"):
        pending([ONE], [(1, TWO.sha256)])
