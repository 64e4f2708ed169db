from __future__ import annotations

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lakehold.components.model import Component
from lakehold.components.registry import COMPONENTS
from lakehold.errors import ConfigError
from lakehold.local.ports import can_bind, choose_ports, declared_ports, holder

DEFAULTS = {"postgres": 15432, "trino": 18443, "airflow": 18080}


def test_defaults_when_they_are_free():
    assert choose_ports(DEFAULTS, fixed={}, kept={}, is_free=lambda _port: True) == DEFAULTS


def test_the_next_free_one_when_the_default_is_taken():
    chosen = choose_ports(DEFAULTS, fixed={}, kept={}, is_free=lambda port: port not in (15432, 15433))
    assert chosen["postgres"] == 15434


def test_kept_ports_stay_even_when_something_listens_there():
    chosen = choose_ports(DEFAULTS, fixed={}, kept={"trino": 20000}, is_free=lambda port: port != 20000)
    assert chosen["trino"] == 20000


def test_fixed_ports_win_over_kept_ones():
    chosen = choose_ports(DEFAULTS, fixed={"trino": 30000}, kept={"trino": 20000}, is_free=lambda _port: True)
    assert chosen["trino"] == 30000


def test_a_fixed_port_nobody_declared():
    with pytest.raises(ConfigError, match=r'ports.trinoo: unknown port, did you mean "trino"\?'):
        choose_ports(DEFAULTS, fixed={"trinoo": 1}, kept={}, is_free=lambda _port: True)


def test_one_port_for_two():
    with pytest.raises(ConfigError, match=r"ports.trino = 18443 is the port of airflow already"):
        choose_ports(DEFAULTS, fixed={"trino": 18443, "airflow": 18443}, kept={}, is_free=lambda _port: True)


@given(
    st.dictionaries(st.sampled_from("abcdef"), st.integers(2000, 2010), min_size=1),
    st.sets(st.integers(2000, 2030)),
    st.data(),
)
def test_ports_are_distinct_free_and_stable(defaults, taken, data):
    first = choose_ports(defaults, fixed={}, kept={}, is_free=lambda port: port not in taken)
    assert set(first) == set(defaults)
    assert len(set(first.values())) == len(first)
    assert not set(first.values()) & taken
    now_taken = data.draw(st.sets(st.sampled_from(sorted(first.values()))))
    again = choose_ports(defaults, fixed={}, kept=first, is_free=lambda port: port not in now_taken)
    assert again == first


def test_the_platforms_own_defaults_are_distinct():
    ports = declared_ports(COMPONENTS)
    assert len(set(ports.values())) == len(ports)
    assert ports["postgres"] == 15432


def test_named_ports_have_a_dot():
    component = Component(name="web", summary="", ports={"": 1, "log": 2})
    assert declared_ports([component]) == {"web": 1, "web.log": 2}


def test_a_listener_is_seen_and_named():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        assert not can_bind("127.0.0.1")(port)
        assert "(pid " in holder(port)
    assert can_bind("127.0.0.1")(port)
