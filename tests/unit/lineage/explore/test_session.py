import pytest
from hypothesis import given
from hypothesis import strategies as st
from lakehold.lineage.explore.session import CODE_SECONDS, SESSION_SECONDS, Sessions, login_code

TOKEN = "a-token-for-tests-only-0123456789"


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sessions(clock: Clock) -> Sessions:
    return Sessions(token=TOKEN, clock=clock)


def test_a_link_logs_in_once(sessions: Sessions, clock: Clock) -> None:
    code = login_code(TOKEN, clock.now)
    session = sessions.trade(code)
    assert session is not None
    assert sessions.good(session)
    assert sessions.trade(code) is None


def test_a_link_does_not_wait_for_ever(sessions: Sessions, clock: Clock) -> None:
    code = login_code(TOKEN, clock.now)
    clock.now += CODE_SECONDS
    assert sessions.trade(code) is None


def test_a_session_ends(sessions: Sessions, clock: Clock) -> None:
    session = sessions.begin()
    clock.now += SESSION_SECONDS - 1
    assert sessions.good(session)
    clock.now += 1
    assert not sessions.good(session)


def test_a_new_token_ends_every_session(sessions: Sessions, clock: Clock) -> None:
    assert not Sessions(token=TOKEN + "x", clock=clock).good(sessions.begin())


def test_neither_passes_for_the_other(sessions: Sessions, clock: Clock) -> None:
    assert not sessions.good(login_code(TOKEN, clock.now))
    assert sessions.trade(sessions.begin()) is None


def test_a_restart_makes_no_link_good_again_and_ends_every_session(sessions: Sessions, clock: Clock) -> None:
    code, session = login_code(TOKEN, clock.now), sessions.begin()
    assert sessions.trade(code)
    clock.now += 0.5
    again = Sessions(token=TOKEN, clock=clock)
    assert again.trade(code) is None
    assert not again.good(session)
    assert again.trade(login_code(TOKEN, clock.now))


def test_who_logs_out_is_out(sessions: Sessions, clock: Clock) -> None:
    session, other = sessions.begin(), sessions.begin()
    assert sessions.end(session)
    assert not sessions.good(session)
    assert not sessions.end(session)
    assert sessions.good(other)
    assert not sessions.end(login_code(TOKEN, clock.now))


def test_codes_that_ended_are_forgotten(sessions: Sessions, clock: Clock) -> None:
    sessions.trade(login_code(TOKEN, clock.now))
    clock.now += CODE_SECONDS + 1
    sessions.trade(login_code(TOKEN, clock.now))
    assert len(sessions._spent) == 1


def test_the_token_is_in_none_of_it(sessions: Sessions, clock: Clock) -> None:
    assert all(TOKEN not in text for text in (sessions.begin(), login_code(TOKEN, clock.now), repr(sessions)))


@given(st.text())
def test_nothing_made_up_logs_in(text: str) -> None:
    sessions = Sessions(token=TOKEN)
    assert not sessions.good(text)
    assert sessions.trade(text) is None
    real = sessions.begin()
    assert not sessions.good(real + text) or not text
    assert not sessions.good(text + real) or not text
