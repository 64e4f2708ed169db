"""The promises of publications on Iceberg's REST server: those of the JDBC catalog, and those of one commit for all.

The server is the catalog's own, from its tests. It checks the requirements of all tables of a transaction, then commits
one table after the other: where that matters, the requests we sent are looked at instead.
"""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.component

_PATH = Path(__file__).with_name("test_publish.py")
_SPEC = importlib.util.spec_from_file_location("publications", _PATH)
assert _SPEC
assert _SPEC.loader
same = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(same)

ONE, TWO = same.ONE, same.TWO
of, clone, write, read, in_shadow = same.of, same.clone, same.write, same.read, same.in_shadow

test_rollback = same.test_a_rollback_brings_every_table_back_to_the_same_answers
test_whoever_commits_first = same.test_whoever_commits_first_wins_and_the_other_moves_nothing
test_faster_engine = same.test_an_engine_that_was_faster_is_named_and_one_that_wrote_elsewhere_does_not_matter
test_clone_again = same.test_a_run_that_clones_again_begins_afresh
test_written_again = same.test_what_a_published_run_writes_again_without_a_clone_does_not_pass_for_published
test_new_table = same.test_a_table_made_meanwhile_under_the_name_of_a_new_one_is_not_replaced
test_judged = same.test_a_table_is_published_only_as_a_gate_has_seen_it


@pytest.fixture
def fresh(outside: Any) -> Any:
    """The outside catalog, with the schemas silver and gold and nothing in them."""
    outside.clear()
    outside.lab.gateway.transactions.clear()
    return outside


def two_tables_in_a_shadow(lake: Any) -> None:
    write(lake, "zero", "gold.a", "gold.b")
    clone(lake, ONE)
    write(lake, "one", *in_shadow(ONE, "a", "b"))


BEFORE = {"gold.a": [["zero", 1]], "gold.b": [["zero", 1]]}
AFTER = {"gold.a": [["one", 1], ["zero", 1]], "gold.b": [["one", 1], ["zero", 1]]}


def test_all_tables_of_a_run_move_by_one_guarded_request(fresh: Any) -> None:
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
    assert read(fresh, *expected, tag=ONE.tag) == expected
    (sent,) = fresh.lab.gateway.transactions
    changes = {change["identifier"]["name"]: change for change in sent["table-changes"]}
    assert list(changes) == ["a", "b", "c", "new"]
    for name, change in changes.items():
        kinds = [required["type"] for required in change["requirements"]]
        assert kinds.count("assert-table-uuid") == 1
        guarded = {required["ref"] for required in change["requirements"] if "ref" in required}
        # What readers saw before is named as well, where they will see something else.
        assert guarded == {"main", ONE.tag, *([f"before_{ONE.tag}"] if name in ("a", "b") else [])}
    assert fresh.part("schemas", "gold") == ["gold"]
    assert "published already" in fresh.verb("publish", *of(ONE))


def test_a_requirement_that_no_longer_holds_is_refused_by_the_catalog_for_all_tables(fresh: Any) -> None:
    two_tables_in_a_shadow(fresh)
    fresh.lab.gateway.before = lambda: fresh.elsewhere("write", {"run": "x", "tables": ["gold.b"], "numbers": [9]})
    refused = fresh.verb("publish", *of(ONE), code=same.CONFLICT)
    assert "gold.b is not what it was when it was cloned" in refused
    assert read(fresh, *BEFORE) == {**BEFORE, "gold.b": [["x", 9], ["zero", 1]]}


def test_a_commit_whose_answer_is_lost_is_looked_up(fresh: Any) -> None:
    two_tables_in_a_shadow(fresh)
    fresh.lab.gateway.lose = True
    fresh.verb("publish", *of(ONE))
    assert read(fresh, *AFTER) == AFTER
    assert len(fresh.lab.gateway.transactions) == 1


def test_what_a_catalog_left_out_of_a_commit_follows(fresh: Any) -> None:
    two_tables_in_a_shadow(fresh)
    fresh.lab.gateway.tear = True
    fresh.verb("publish", *of(ONE))
    assert read(fresh, *AFTER) == AFTER
    sent = [
        [change["identifier"]["name"] for change in each["table-changes"]] for each in fresh.lab.gateway.transactions
    ]
    assert sent == [["a", "b"], ["b"]]


def test_a_token_that_expires_meanwhile_is_renewed(fresh: Any) -> None:
    two_tables_in_a_shadow(fresh)
    fresh.lab.gateway.after = fresh.lab.gateway.expire
    fresh.verb("publish", *of(ONE))
    assert read(fresh, *AFTER) == AFTER


def test_a_torn_commit_is_taken_back_when_somebody_else_was_faster(fresh: Any) -> None:
    two_tables_in_a_shadow(fresh)
    fresh.lab.gateway.tear = True
    fresh.lab.gateway.after = lambda: fresh.elsewhere("write", {"run": "x", "tables": ["gold.b"], "numbers": [9]})
    refused = fresh.verb("publish", *of(ONE), code=same.CONFLICT)
    assert "gold.b is not what it was when it was cloned" in refused
    assert read(fresh, *BEFORE) == {**BEFORE, "gold.b": [["x", 9], ["zero", 1]]}
    left = fresh.part("refs", "gold.a")
    assert list(left["refs"]) == ["main"]
    assert left["properties"]["lakehold.taken-back"] == ONE.tag


def test_a_publisher_killed_after_its_commit_has_published(fresh: Any) -> None:
    two_tables_in_a_shadow(fresh)
    write(fresh, "one", *in_shadow(ONE, "new"))
    publisher = fresh.start("-m", "lakehold.tables.run", "publish", *of(ONE))
    fresh.lab.gateway.after = publisher.kill
    assert publisher.wait(60) == -9
    publisher.communicate()
    assert read(fresh, *AFTER) == AFTER
    fresh.verb("publish", *of(ONE))
    assert read(fresh, *AFTER, "gold.new") == {**AFTER, "gold.new": [["one", 1]]}
    assert fresh.part("schemas", "gold") == ["gold"]
    fresh.verb("rollback", ONE.run)
    assert read(fresh, *BEFORE, "gold.new") == {**BEFORE, "gold.new": "NoSuchTableError"}


def test_a_rollback_killed_after_its_commit_goes_on(fresh: Any) -> None:
    two_tables_in_a_shadow(fresh)
    write(fresh, "one", *in_shadow(ONE, "new"))
    fresh.verb("publish", *of(ONE))
    rollback = fresh.start("-m", "lakehold.tables.run", "rollback", ONE.run)
    fresh.lab.gateway.after = rollback.kill
    assert rollback.wait(60) == -9
    rollback.communicate()
    assert read(fresh, *BEFORE, "gold.new") == {**BEFORE, "gold.new": []}
    told = fresh.verb("rollback", ONE.run)
    assert "gold.a  is so already" in told
    assert "gold.new  taken out of the catalog" in told
    assert read(fresh, *BEFORE, "gold.new") == {**BEFORE, "gold.new": "NoSuchTableError"}
    assert "(rollback at" in fresh.verb("rollback", ONE.run, code=same.CONFLICT)


def test_a_clone_killed_half_way_is_listed_and_can_be_given_up(fresh: Any) -> None:
    write(fresh, "zero", "gold.a", "gold.b")
    cloning = fresh.start("-m", "lakehold.tables.run", "clone", *of(ONE), "--schema", "gold")
    fresh.lab.gateway.registering = cloning.kill
    assert cloning.wait(60) == -9
    cloning.communicate()
    (listed,) = json.loads(fresh.verb("shadows", "--json"))
    assert (listed["run"], listed["state"], listed["tables"]) == (ONE.run, "half cloned", [])
    assert "never cloned whole" in fresh.verb("publish", *of(ONE), code=same.REFUSED)
    assert "stay in" not in fresh.verb("discard", "--run", ONE.run)
    assert fresh.verb("shadows") == ""
    assert fresh.part("schemas", "gold") == ["gold"]
    assert read(fresh, *BEFORE) == BEFORE
    clone(fresh, ONE)
    write(fresh, "one", *in_shadow(ONE, "a", "b"))
    fresh.verb("publish", *of(ONE))
    assert read(fresh, *AFTER) == AFTER


@pytest.mark.parametrize("verb", ["discard", "clone"])
def test_what_a_killed_publisher_has_committed_is_not_given_up(fresh: Any, verb: str) -> None:
    two_tables_in_a_shadow(fresh)
    publisher = fresh.start("-m", "lakehold.tables.run", "publish", *of(ONE))
    fresh.lab.gateway.after = publisher.kill
    assert publisher.wait(60) == -9
    publisher.communicate()
    if verb == "discard":
        assert "was published" in fresh.verb("discard", "--run", ONE.run)
        assert "published already" in fresh.verb("publish", *of(ONE))
    else:
        clone(fresh, ONE)
        fresh.verb("discard", "--run", ONE.run)
    assert fresh.part("schemas", "gold") == ["gold"]
    assert read(fresh, *AFTER) == AFTER
    fresh.verb("rollback", ONE.run)
    assert read(fresh, *BEFORE) == BEFORE


def test_nobody_is_kept_waiting_in_a_transaction_while_the_catalog_works(fresh: Any) -> None:
    states: list[str] = []

    def look() -> None:
        sessions = "SELECT state FROM pg_stat_activity WHERE application_name = 'lakehold tables'"
        states.extend(state for (state,) in fresh.query(sessions))

    write(fresh, "zero", "gold.a", "gold.b")
    fresh.lab.gateway.registering = look
    clone(fresh, ONE)
    write(fresh, "one", *in_shadow(ONE, "a", "b"))
    fresh.lab.gateway.before = look
    fresh.verb("publish", *of(ONE))
    fresh.lab.gateway.before = look
    fresh.verb("rollback", ONE.run)
    assert states == ["idle"] * 3


def test_a_publisher_killed_while_it_clears_up_is_cleared_up_after(fresh: Any) -> None:
    two_tables_in_a_shadow(fresh)
    publisher = fresh.start("-m", "lakehold.tables.run", "publish", *of(ONE))
    fresh.lab.gateway.dropping = publisher.kill
    assert publisher.wait(60) == -9
    publisher.communicate()
    assert "(published, to be cleared)" in fresh.verb("shadows")
    write(fresh, "later", "gold.a")
    assert "published already" in fresh.verb("publish", *of(ONE))
    assert fresh.part("schemas", "gold") == ["gold"]
    assert fresh.verb("shadows") == ""
    assert read(fresh, "gold.b") == {"gold.b": AFTER["gold.b"]}


def test_a_publisher_killed_before_its_commit_has_published_nothing(fresh: Any) -> None:
    two_tables_in_a_shadow(fresh)
    write(fresh, "one", *in_shadow(ONE, "new"))
    publisher = fresh.start("-m", "lakehold.tables.run", "publish", *of(ONE))
    fresh.lab.gateway.before = publisher.kill
    fresh.lab.gateway.tear = True
    assert publisher.wait(60) == -9
    publisher.communicate()
    assert read(fresh, "gold.new") == {"gold.new": []}
    fresh.verb("discard", "--run", ONE.run)
    assert read(fresh, "gold.new") == {"gold.new": "NoSuchTableError"}
    assert fresh.part("schemas", "gold") == ["gold"]


def test_two_writers_lose_nothing_and_every_refusal_names_the_faster(fresh: Any) -> None:
    write(fresh, "zero", "gold.a", "gold.b")
    script = str(_PATH.with_name("rest_writer.py"))
    writers = [fresh.start(script, name, "5", "unlocked", "a", "b") for name in ("one", "two")]
    answers = [process.communicate(timeout=180) for process in writers]
    assert [process.returncode for process in writers] == [0, 0], answers
    outcomes = [json.loads(line) for out, _ in answers for line in out.splitlines()]
    published = sorted(outcome["run"] for outcome in outcomes if outcome["published"])
    for name, rows in fresh.part("read", {"tables": ["gold.a", "gold.b"]}).items():
        assert sorted(row[0] for row in rows) == sorted(["zero", *published]), name
    for outcome in outcomes:
        others = [each for each in outcomes if each["run"].split("/")[0] != outcome["run"].split("/")[0]]
        named = [each["run"] for each in others if each["run"] in outcome["why"] or each["tag"] in outcome["why"]]
        assert outcome["published"] or named, outcome


def test_views_follow_the_tables(fresh: Any) -> None:
    write(fresh, "zero", "gold.a")
    for name in ("kept", "changed"):
        fresh.part("make_view", {"view": f"gold.{name}", "sql": "SELECT n FROM gold.a"})
    clone(fresh, ONE)
    shadow = ONE.schema("gold")
    assert fresh.part("views", shadow) == dict.fromkeys(("changed", "kept"), f"SELECT n FROM {shadow}.a")
    for name in ("changed", "new"):
        fresh.part("make_view", {"view": f"{shadow}.{name}", "sql": f"SELECT max(n) n FROM {shadow}.a"})
    fresh.verb("publish", *of(ONE))
    made = "SELECT max(n) n FROM gold.a"
    assert fresh.part("views", "gold") == {"changed": made, "kept": "SELECT n FROM gold.a", "new": made}
    assert fresh.part("schemas", "gold") == ["gold"]
    fresh.verb("rollback", ONE.run)
    assert fresh.part("views", "gold") == dict.fromkeys(("changed", "kept"), "SELECT n FROM gold.a")


def test_dropping_a_clone_deletes_nothing_of_its_original(fresh: Any) -> None:
    for number in (1, 2):
        write(fresh, "zero", "gold.a", numbers=(number,))
    files = fresh.part("files")
    clone(fresh, ONE)
    guards = fresh.part("refs", in_shadow(ONE, "a")[0])["properties"]
    assert guards["gc.enabled"] == guards["write.metadata.delete-after-commit.enabled"] == "false"
    write(fresh, "one", *in_shadow(ONE, "a"))
    assert fresh.part("attempt", {"table": in_shadow(ONE, "a")[0], "deed": "purge"}) == "done"
    assert set(files) <= set(fresh.part("files"))
    assert read(fresh, "gold.a") == {"gold.a": [["zero", 1], ["zero", 2]]}
    assert "a is gone" in fresh.verb("publish", *of(ONE), code=same.REFUSED)
    fresh.verb("discard", "--run", ONE.run)
    assert read(fresh, "gold.a") == {"gold.a": [["zero", 1], ["zero", 2]]}


def test_a_clone_has_one_snapshot_and_the_published_table_its_whole_history(fresh: Any) -> None:
    for number in (1, 2):
        write(fresh, "zero", "gold.a", numbers=(number,))
    clone(fresh, ONE)
    assert fresh.part("refs", in_shadow(ONE, "a")[0])["snapshots"] == 1
    write(fresh, "one", *in_shadow(ONE, "a"))
    fresh.verb("publish", *of(ONE))
    assert fresh.part("refs", "gold.a")["snapshots"] == 3, "the published table keeps its history"


def test_the_files_of_a_clone_are_written_without_listing_the_folder(fresh: Any) -> None:
    write(fresh, "zero", "gold.a")
    arguments = ["clone", "--run", ONE.run, "--group", ONE.group, "--schema", "gold"]
    code, _, err = fresh.part("verb_that_asks_for_no_name", arguments)
    assert code == 0, err
    assert read(fresh, *in_shadow(ONE, "a")) == {in_shadow(ONE, "a")[0]: BEFORE["gold.a"]}
