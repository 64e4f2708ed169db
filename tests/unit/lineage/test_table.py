import pytest
from lakehold.cli.lineage import duration, flow
from lakehold.cli.lineage_site import moment


@pytest.mark.parametrize(
    ("end", "text"),
    [
        (None, ""),
        ("2013-01-01T05:00:00.250000Z", "0.2 s"),
        ("2013-01-01T05:00:59.900000Z", "59.9 s"),
        ("2013-01-01T05:01:30.000000Z", "1 min 30 s"),
        ("2013-01-01T07:05:00.000000Z", "2 h 05 min"),
    ],
)
def test_durations(end: str | None, text: str) -> None:
    assert duration("2013-01-01T05:00:00.000000Z", end) == text


def test_moments() -> None:
    assert moment("2013-01-01T05:00:00.250000Z") == "2013-01-01 05:00:00"
    assert moment(None) == ""


def test_flows_of_runs_and_of_events() -> None:
    assert (
        flow({"inputs": [{"namespace": "n", "name": "a"}, {"namespace": "n", "name": "b"}], "outputs": []})
        == "a, b → ·"
    )
    assert flow({"inputs": [], "outputs": [["n", "x" * 70]]}) == "· → …" + "x" * 59
    assert flow({"inputs": [], "outputs": []}) == ""
