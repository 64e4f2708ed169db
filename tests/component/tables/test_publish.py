"""Clone, write, publish and take back on PostgreSQL and a real object store, with pyiceberg as the engine."""

from __future__ import annotations

import json
from typing import Any

import pytest
from lakehold.tables.shadow import Audit, tag_of

pytestmark = pytest.mark.component

ONE, TWO = Audit("daily/one", "gold"), Audit("daily/two", "gold")
CONFLICT, BUSY, REFUSED = 9, 75, 8


def of(audit: Audit) -> list[str]:
    return ["--run", audit.run, "--group", audit.group]


def clone(lake: Any, audit: Audit, *options: str, schemas: tuple[str, ...] = ("gold",), code: int = 0) -> str:
    return str(lake.verb("clone", *of(audit), *(f"--schema={name}" for name in schemas), *options, code=code))


def write(lake: Any, run: str, *tables: str, numbers: tuple[int, ...] = (1,), replace: bool = False) -> None:
    lake.part("write", {"run": run, "tables": tables, "numbers": numbers, "replace": replace})


def read(lake: Any, *tables: str, tag: str | None = None) -> Any:
    return lake.part("read", {"tables": tables, "tag": tag})


def in_shadow(audit: Audit, *tables: str, schema: str = "gold") -> list[str]:
    return [f"{audit.schema(schema)}.{name}" for name in tables]


def test_a_run_is_seen_whole_or_not_at_all(fresh: Any) -> None:
    tables = ["gold.a", "gold.b", "gold.c"]
    write(fresh, "zero", *tables)
    clone(fresh, ONE)
    write(fresh, "one", *in_shadow(ONE, "a", "b", "new"), numbers=(2, 3))
    before = read(fresh, *tables, "gold.new")
    assert before == {name: [["zero", 1]] for name in tables} | {"gold.new": "NoSuchTableError"}
    assert "published gold.new" in fresh.verb("publish", *of(ONE))
    after = [["one", 2], ["one", 3], ["zero", 1]]
    expected = {"gold.a": after, "gold.b": after, "gold.c": [["zero", 1]], "gold.new": after[:2]}
    assert read(fresh, *expected) == expected
    assert read(fresh, *expected, tag=tag_of(ONE.run)) == expected
    assert fresh.query("SELECT count(*) FROM iceberg_tables WHERE table_namespace <> 'gold'") == [(0,)]
    assert fresh.query("SELECT count(*) FROM audit.shadow_tables") == [(0,)]
    places = fresh.query("SELECT metadata_location FROM iceberg_tables WHERE table_name = 'new'")
    assert places[0][0].startswith("s3://lakehouse/gold/new")
    # Asked again, as after a kill that came too late: it finds that it is done.
    assert "published already" in fresh.verb("publish", *of(ONE))
    assert read(fresh, *expected) == expected


def test_a_rollback_brings_every_table_back_to_the_same_answers(fresh: Any) -> None:
    tables = ["gold.a", "gold.b", "silver.s"]
    both = {"schemas": ("gold", "silver")}
    write(fresh, "zero", *tables, numbers=(1, 2))
    before = fresh.part("answers", tables)
    clone(fresh, ONE, **both)
    fresh.part("evolve", in_shadow(ONE, "a")[0])
    write(fresh, "one", *in_shadow(ONE, "b", "new"), replace=True)
    write(fresh, "one", *in_shadow(ONE, "s", schema="silver"))
    fresh.verb("publish", *of(ONE))
    published = fresh.part("answers", [*tables, "gold.new"])
    assert "added" in published["gold.a"]["columns"]
    assert published != before
    dry = fresh.verb("rollback", ONE.run, "--dry-run")
    assert "gold.new  taken out of the catalog" in dry
    assert fresh.part("answers", [*tables, "gold.new"]) == published
    fresh.verb("rollback", ONE.run)
    assert fresh.part("answers", tables) == before
    assert read(fresh, "gold.new", tag=None) == {"gold.new": "NoSuchTableError"}
    assert read(fresh, "gold.b", tag=tag_of(ONE.run)) == {"gold.b": "ValueError"}, "the tag went with the run"
    assert "(rollback at" in fresh.verb("rollback", ONE.run, code=CONFLICT)
    fresh.verb("rollback", ONE.run, "--to", "after")
    assert fresh.part("answers", [*tables, "gold.new"]) == published
    assert "NoSuchTableError" not in read(fresh, "gold.new", tag=tag_of(ONE.run)).values()
    fresh.verb("rollback", ONE.run, "--to", "before")
    assert fresh.part("answers", tables) == before


def test_history_stays_and_a_clone_s_guards_do_not(fresh: Any) -> None:
    write(fresh, "zero", "gold.a")
    first = fresh.part("refs", "gold.a")["refs"]["main"][0]
    clone(fresh, ONE)
    guarded = fresh.part("refs", in_shadow(ONE, "a")[0])["properties"]
    assert guarded["gc.enabled"] == guarded["write.metadata.delete-after-commit.enabled"] == "false"
    write(fresh, "one", *in_shadow(ONE, "a"), replace=True)
    fresh.verb("publish", *of(ONE), "--tag-days", "2")
    now = fresh.part("refs", "gold.a")
    assert "gc.enabled" not in now["properties"]
    week = 2 * 86_400_000
    assert week <= now["refs"][tag_of(ONE.run)][1] < week + 60_000
    assert fresh.part("as_of", {"table": "gold.a", "snapshot": first}) == [["zero", 1]]
    events = json.loads(fresh.verb("history", "gold.a", "--json"))
    assert [event["kind"] for event in events][:1] == ["publish"]
    assert events[0]["by"] == ONE.run
    (current,) = [event for event in events if event["current"]]
    assert current["tags"] == [tag_of(ONE.run)]
    fresh.verb("rollback", "gold.a", "--to", str(first))
    assert read(fresh, "gold.a") == {"gold.a": [["zero", 1]]}
    fresh.verb("rollback", "gold.a", "--to", ONE.run)
    assert read(fresh, "gold.a") == {"gold.a": [["one", 1]]}
    assert "no snapshot of gold.a" in fresh.verb("rollback", "gold.a", "--to", "never", code=REFUSED)
    assert "to what is gold.a" in fresh.verb("rollback", "gold.a", code=3)


def test_whoever_commits_first_wins_and_the_other_moves_nothing(fresh: Any) -> None:
    write(fresh, "zero", "gold.a", "gold.b", "gold.c")
    clone(fresh, ONE)
    clone(fresh, TWO, "--beside")
    write(fresh, "one", *in_shadow(ONE, "a"))
    write(fresh, "two", *in_shadow(TWO, "a", "b", "new"))
    fresh.verb("publish", *of(ONE))
    refused = fresh.verb("publish", *of(TWO), code=CONFLICT)
    assert "gold.a is not what it was when it was cloned" in refused
    assert f'run "{ONE.run}" (publish at' in refused
    zero, one = ["zero", 1], ["one", 1]
    expected = {"gold.a": [one, zero], "gold.b": [zero], "gold.c": [zero], "gold.new": "NoSuchTableError"}
    assert read(fresh, *expected) == expected
    # Its shadow is still there to be looked at, and cloning again begins on what is there now.
    assert TWO.run in fresh.verb("shadows")
    clone(fresh, TWO)
    write(fresh, "two", *in_shadow(TWO, "a"))
    fresh.verb("publish", *of(TWO))
    assert read(fresh, "gold.a") == {"gold.a": [one, ["two", 1], zero]}
    assert "is not what the run published" in fresh.verb("rollback", ONE.run, code=CONFLICT)


def test_an_engine_that_was_faster_is_named_and_one_that_wrote_elsewhere_does_not_matter(fresh: Any) -> None:
    write(fresh, "zero", "gold.a", "gold.b")
    clone(fresh, ONE)
    write(fresh, "one", *in_shadow(ONE, "a"))
    write(fresh, "direct", "gold.b")
    fresh.verb("publish", *of(ONE))
    assert read(fresh, "gold.b", tag=tag_of(ONE.run)) == {"gold.b": [["direct", 1], ["zero", 1]]}
    clone(fresh, TWO)
    write(fresh, "two", *in_shadow(TWO, "a"))
    write(fresh, "direct", "gold.a")
    refused = fresh.verb("publish", *of(TWO), code=CONFLICT)
    assert "another writer (at" in refused
    assert f'before that, run "{ONE.run}"' in refused


def test_two_runs_beside_each_other_on_different_tables_both_publish(fresh: Any) -> None:
    write(fresh, "zero", "gold.a", "gold.b")
    clone(fresh, ONE)
    clone(fresh, TWO, "--beside")
    write(fresh, "one", *in_shadow(ONE, "a"))
    write(fresh, "two", *in_shadow(TWO, "b"))
    fresh.verb("publish", *of(ONE))
    fresh.verb("publish", *of(TWO))
    assert read(fresh, "gold.a", "gold.b") == {
        "gold.a": [["one", 1], ["zero", 1]],
        "gold.b": [["two", 1], ["zero", 1]],
    }
    for run, rows in ((ONE.run, [["zero", 1]]), (TWO.run, [["two", 1], ["zero", 1]])):
        assert read(fresh, "gold.b", tag=tag_of(run)) == {"gold.b": rows}


def test_tags_and_statistics_set_meanwhile_stay_and_dropped_ones_do_not_come_back(fresh: Any) -> None:
    write(fresh, "zero", "gold.a")
    for name in ("kept", "dropped"):
        fresh.part("set_ref", {"table": "gold.a", "deed": "tag", "name": name})
    clone(fresh, ONE)
    write(fresh, "one", *in_shadow(ONE, "a"))
    fresh.part("set_ref", {"table": "gold.a", "deed": "tag", "name": "late"})
    fresh.part("set_ref", {"table": "gold.a", "deed": "untag", "name": "dropped"})
    fresh.part("measure", {"table": "gold.a", "path": "s3://lakehouse/gold/a/metadata/x.stats"})
    fresh.verb("publish", *of(ONE))
    assert set(fresh.part("refs", "gold.a")["refs"]) == {"main", "kept", "late", tag_of(ONE.run)}
    assert fresh.part("measured", "gold.a") == ["s3://lakehouse/gold/a/metadata/x.stats"]
    assert read(fresh, "gold.a", tag="late") == {"gold.a": [["zero", 1]]}


def test_a_commit_to_another_branch_is_not_lost(fresh: Any) -> None:
    write(fresh, "zero", "gold.a")
    fresh.part("set_ref", {"table": "gold.a", "deed": "branch", "name": "x"})
    clone(fresh, ONE)
    fresh.part("write", {"run": "direct", "tables": ["gold.a"], "numbers": [2], "branch": "x"})
    write(fresh, "one", *in_shadow(ONE, "a"))
    refused = fresh.verb("publish", *of(ONE), code=CONFLICT)
    assert "gold.a is not what it was when it was cloned" in refused
    assert "would undo a change of its branches," in refused
    assert read(fresh, "gold.a", tag="x") == {"gold.a": [["direct", 2], ["zero", 1]]}
    assert read(fresh, "gold.a") == {"gold.a": [["zero", 1]]}
    clone(fresh, ONE)
    write(fresh, "one", *in_shadow(ONE, "a"))
    fresh.verb("publish", *of(ONE))
    assert read(fresh, "gold.a", tag="x") == {"gold.a": [["direct", 2], ["zero", 1]]}


def test_snapshots_that_expired_meanwhile_do_not_come_back(fresh: Any) -> None:
    for number in (1, 2, 3):
        write(fresh, "zero", "gold.a", numbers=(number,))
    clone(fresh, ONE)
    write(fresh, "one", *in_shadow(ONE, "a"))
    assert fresh.part("attempt", {"table": "gold.a", "deed": "expire"}) == "done"
    assert "snapshots" in fresh.verb("publish", *of(ONE), code=CONFLICT)
    assert fresh.part("refs", "gold.a")["snapshots"] == 1


def test_what_was_published_and_taken_back_beside_stays_in_the_history(fresh: Any) -> None:
    write(fresh, "zero", "gold.a")
    clone(fresh, ONE)
    clone(fresh, TWO, "--beside")
    for audit in (ONE, TWO):
        write(fresh, audit.run, *in_shadow(audit, "a"))
    fresh.verb("publish", *of(ONE))
    fresh.verb("rollback", ONE.run)
    refused = fresh.verb("publish", *of(TWO), code=CONFLICT)
    assert f'run "{ONE.run}" (rollback at' in refused
    fresh.verb("rollback", ONE.run, "--to", "after")
    assert read(fresh, "gold.a") == {"gold.a": [[ONE.run, 1], ["zero", 1]]}


def test_what_a_published_run_writes_again_without_a_clone_does_not_pass_for_published(fresh: Any) -> None:
    write(fresh, "zero", "gold.a")
    clone(fresh, ONE)
    write(fresh, "one", *in_shadow(ONE, "a"))
    fresh.verb("publish", *of(ONE))
    assert "published already" in fresh.verb("publish", *of(ONE))
    # As dbt does when its task is cleared: it makes the schema it is to write to, if there is none.
    fresh.part("make_schema", ONE.schema("gold"))
    write(fresh, "again", *in_shadow(ONE, "a"))
    refused = fresh.verb("publish", *of(ONE), code=REFUSED)
    assert "has written since it was published" in refused
    assert ONE.schema("gold") in refused
    clone(fresh, ONE)
    assert read(fresh, *in_shadow(ONE, "a")) == {in_shadow(ONE, "a")[0]: [["one", 1], ["zero", 1]]}
    write(fresh, "again", *in_shadow(ONE, "a"))
    fresh.verb("publish", *of(ONE))
    assert read(fresh, "gold.a") == {"gold.a": [["again", 1], ["one", 1], ["zero", 1]]}


def test_a_later_run_is_refused_or_waits_and_a_given_up_shadow_leaves_nothing(fresh: Any) -> None:
    write(fresh, "zero", "gold.a")
    clone(fresh, ONE)
    write(fresh, "one", *in_shadow(ONE, "a", "new"))
    for patience in (["--refuse"], ["--wait", "0.3"]):
        refused = clone(fresh, TWO, *patience, code=BUSY)
        assert f'run "{ONE.run}" (group gold) has a shadow of gold' in refused
        assert f"lakehold tables discard '{ONE.run}'" in refused
    waiting = fresh.start("-m", "lakehold.tables.run", "clone", *of(TWO), "--schema", "gold", "--wait", "60")
    assert "would discard" in fresh.verb("discard", "--run", ONE.run, "--dry-run")
    assert waiting.poll() is None
    assert "was new in it stay in s3://lakehouse/gold/new" in fresh.verb("discard", "--run", ONE.run)
    assert waiting.wait(60) == 0
    waiting.communicate()
    assert [row["run"] for row in json.loads(fresh.verb("shadows", "--json"))] == [TWO.run]
    assert "given up" in fresh.verb("publish", *of(ONE), code=REFUSED)
    fresh.verb("discard", "--run", TWO.run)
    assert "has no shadow" in fresh.verb("discard", "--run", TWO.run)
    assert read(fresh, "gold.a") == {"gold.a": [["zero", 1]]}
    assert fresh.query("SELECT DISTINCT table_namespace FROM iceberg_tables") == [("gold",)]
    namespaces = "SELECT DISTINCT namespace FROM iceberg_namespace_properties ORDER BY 1"
    assert fresh.query(namespaces) == [("gold",), ("silver",)]


def test_a_run_that_clones_again_begins_afresh(fresh: Any) -> None:
    write(fresh, "zero", "gold.a")
    clone(fresh, ONE)
    write(fresh, "dead", *in_shadow(ONE, "a", "left"))
    clone(fresh, ONE)
    write(fresh, "one", *in_shadow(ONE, "a"))
    fresh.verb("publish", *of(ONE))
    assert read(fresh, "gold.a", "gold.left") == {"gold.a": [["one", 1], ["zero", 1]], "gold.left": "NoSuchTableError"}


def test_a_table_made_meanwhile_under_the_name_of_a_new_one_is_not_replaced(fresh: Any) -> None:
    clone(fresh, ONE)
    write(fresh, "one", *in_shadow(ONE, "new"))
    write(fresh, "direct", "gold.new")
    fresh.verb("publish", *of(ONE), code=CONFLICT)
    assert read(fresh, "gold.new") == {"gold.new": [["direct", 1]]}


def test_a_clone_taken_out_by_hand_stops_the_publication(fresh: Any) -> None:
    write(fresh, "zero", "gold.a", "gold.b")
    clone(fresh, ONE)
    write(fresh, "one", *in_shadow(ONE, "a"))
    fresh.query("DELETE FROM iceberg_tables WHERE table_namespace LIKE 'gold__audit%%' AND table_name = 'b'")
    assert "b is gone" in fresh.verb("publish", *of(ONE), code=REFUSED)
    assert read(fresh, "gold.a") == {"gold.a": [["zero", 1]]}


def test_a_table_without_rows_is_published_untagged(fresh: Any) -> None:
    clone(fresh, ONE)
    write(fresh, "one", *in_shadow(ONE, "new"), numbers=())
    fresh.verb("publish", *of(ONE))
    assert read(fresh, "gold.new") == {"gold.new": []}


def test_names_that_do_not_exist_are_explained(fresh: Any) -> None:
    assert 'there is no schema "nowhere"' in clone(fresh, ONE, schemas=("nowhere",), code=3)
    assert "has no shadow" in fresh.verb("publish", *of(Audit("a/b", "c")), code=REFUSED)
    assert "has published anything" in fresh.verb("rollback", "a/b", code=REFUSED)
    assert "there is no table gold.x" in fresh.verb("history", "gold.x", code=REFUSED)
    assert fresh.query("SELECT count(*) FROM audit.shadows") == [(0,)]
