import pytest
from lakehold.errors import ConfigError
from lakehold.lineage.graph import policy


def test_the_defaults_are_those_of_the_settings() -> None:
    from lakehold.config.settings import LineageSettings

    settings = LineageSettings()
    assert policy.load({}) == policy.Policy(
        events_days=settings.events_days, history_days=settings.history_days, close_hours=settings.close_hours
    )


def test_each_can_be_told() -> None:
    told = {policy.EVENTS_DAYS: "7", policy.HISTORY_DAYS: "30", policy.CLOSE_HOURS: "2"}
    assert policy.load(told) == policy.Policy(events_days=7, history_days=30, close_hours=2)


@pytest.mark.parametrize("value", ["0", "-1", "ten", "1.5", "²", "9" * 9])
def test_what_is_no_span_is_refused(value: str) -> None:
    with pytest.raises(ConfigError, match=policy.EVENTS_DAYS):
        policy.load({policy.EVENTS_DAYS: value})
