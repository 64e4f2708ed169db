"""JSON read by position, so that each element of a batch keeps the exact text it was written as."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NoReturn

_SPACE = re.compile(r"[ \t\n\r]*")


class MalformedError(ValueError):
    """The text is not an OpenLineage event; the message says what is wrong, for the person who wrote the emitter."""


def elements(text: str) -> Iterator[tuple[Any, str]]:
    """Yield each element of an array with the exact text it was written as."""
    at = skip(text, 0)
    if text[at : at + 1] != "[":
        raise MalformedError("a batch is a JSON array of events")
    at = skip(text, at + 1)
    if text[at : at + 1] == "]":
        at += 1
    else:
        while True:
            value, end = value_at(text, at)
            yield value, text[at:end]
            at = skip(text, end)
            separator = text[at : at + 1]
            at = skip(text, at + 1)
            if separator == "]":
                break
            if separator != ",":
                raise MalformedError(f"expected a comma or the end of the batch at character {end}")
    if skip(text, at) != len(text):
        raise MalformedError(f"there is more text after the batch, at character {at}")


def decode(body: bytes) -> str:
    """Return the text of a body."""
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as problem:
        raise MalformedError(f"the body is not UTF-8: byte {problem.start} cannot be read") from None


def skip(text: str, at: int) -> int:
    """Return where the next thing that is no white space begins."""
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _refuse_constant(name: str) -> NoReturn:
    raise MalformedError(f"{name} is not JSON")


_decoder = json.JSONDecoder(parse_constant=_refuse_constant)


def value_at(text: str, at: int) -> tuple[Any, int]:
    """Return the JSON value that begins there, and where it ends."""
    try:
        return _decoder.raw_decode(text, at)
    except json.JSONDecodeError as problem:
        raise MalformedError(f"not JSON: {problem.msg} at character {problem.pos}") from None
    except RecursionError:
        raise MalformedError("the JSON is nested too deeply") from None
    except MalformedError:
        raise
    except ValueError as problem:  # an integer of more digits than Python reads
        raise MalformedError(f"not JSON that can be read: {problem}") from None
