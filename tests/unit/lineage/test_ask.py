import pytest
from lakehold.lineage import ask


@pytest.mark.parametrize("name", sorted(ask.QUESTIONS))
def test_every_filter_of_every_list_is_a_parameter_of_its_condition(name: str) -> None:
    for key, condition in ask.QUESTIONS[name].filters.items():
        assert f"%({key})s" in condition
    statement, values = ask.statement(name, dict.fromkeys(ask.QUESTIONS[name].filters, "x'; drop table event; --"))
    assert "drop table" not in statement
    assert values["limit"] == 50


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "x", "", "1e2", "²", "9" * 30])
def test_limits_that_mean_nothing(limit: str) -> None:
    with pytest.raises(ask.QuestionError, match="limit must be a number from 1 to 1000"):
        ask.statement("runs", {"limit": limit})


def test_an_unknown_filter_is_named_with_the_known_ones() -> None:
    with pytest.raises(ask.QuestionError, match=r"jobs cannot be asked by colour; it knows limit, name, namespace"):
        ask.statement("jobs", {"colour": "red"})
