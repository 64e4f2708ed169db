from __future__ import annotations

import json
import re

import pytest
from lakehold.components.trino_rules import SCHEMAS, rules
from lakehold.config.shadows import VARIABLE
from lakehold.errors import ConfigError
from lakehold.tables.shadow import Audit, environment, location, tag_of, target_of, written

RUN = "flights_daily/manual__2013-01-01T00:00:00+00:00"
AUDIT = Audit(RUN, "gold")


def test_each_group_of_each_run_has_shadows_of_its_own() -> None:
    others = [Audit(RUN, "silver"), Audit(RUN + "1", "gold"), Audit("other/run", "gold")]
    assert len({audit.schema("gold") for audit in (AUDIT, *others)}) == 4
    assert re.fullmatch(r"gold__audit_[0-9a-f]{10}", AUDIT.schema("gold"))


def test_a_shadow_is_known_as_its_target_s() -> None:
    assert target_of(AUDIT.schema("gold")) == "gold"
    assert target_of(Audit("a", "b").schema("a__audit_b")) == "a__audit_b"
    for name in ("gold", "gold__audit_", "gold__audit_mine", "__audit_0123456789"):
        assert target_of(name) == name


def test_trino_s_rules_know_shadows() -> None:
    (rule,) = [rule for rule in rules("lakehouse")["schemas"] if rule.get("user") == "dbt"]
    assert "gold" in SCHEMAS
    assert re.fullmatch(rule["schema"], AUDIT.schema("gold"))


def test_one_tag_for_all_groups_of_a_run_and_none_for_two_runs() -> None:
    assert AUDIT.tag == Audit(RUN, "silver").tag == "run_flights_daily_manual__2013_01_01T00_00_00_00_00_3284a9ca"
    names = [RUN, RUN.replace("+", "-"), "ünï", "x" * 300, "x" * 301, "DROP TABLE x; --", ""]
    tags = [tag_of(name) for name in names]
    assert len(set(tags)) == len(names)
    assert all(re.fullmatch(r"run_[A-Za-z0-9_]{1,80}", tag) for tag in tags)


def test_a_command_of_the_group_writes_to_the_shadow_and_reads_what_is_published() -> None:
    variables = environment(AUDIT, ["gold", "data-lab"])
    shadow_of = AUDIT.schema("gold")
    assert json.loads(variables[VARIABLE]) == {"gold": shadow_of, "data-lab": AUDIT.schema("data-lab")}
    assert variables["LAKEHOLD_SCHEMA_GOLD"] == shadow_of
    assert variables["LAKEHOLD_SCHEMA_DATA_LAB"] == AUDIT.schema("data-lab")
    assert written("gold.delays", variables) == f"{shadow_of}.delays"
    assert written("lakehouse.gold.delays", variables) == f"lakehouse.{shadow_of}.delays"
    assert written("silver.flights", variables) == "silver.flights"


def test_outside_a_group_names_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert written("gold.delays") == "gold.delays"
    monkeypatch.setenv(VARIABLE, environment(AUDIT, ["gold"])[VARIABLE])
    assert written("gold.delays") == f"{AUDIT.schema('gold')}.delays"


@pytest.mark.parametrize("text", ["gold", "[]", '{"gold": 1}', "{"])
def test_what_cannot_be_read_is_refused_and_not_guessed(text: str) -> None:
    with pytest.raises(ConfigError, match=VARIABLE):
        written("gold.delays", {VARIABLE: text})


def test_a_new_table_lies_below_the_published_schema_in_a_folder_of_its_own() -> None:
    places = [location("s3://lakehouse/", f"lakehouse.{AUDIT.schema('gold')}.delays") for _ in range(2)]
    assert all(re.fullmatch(r"s3://lakehouse/gold/delays-[0-9a-f]{32}", place) for place in places)
    assert places[0] != places[1]
