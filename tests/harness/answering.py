"""A web server on loopback that answers each path as it is told to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from faulty_http import Answer, Request, serving


@dataclass
class Answers:
    """Status and body by path; anything else is a 404. ``away`` is the answer to everything, when it is not 0."""

    by_path: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    away: int = 0
    asked: Counter[str] = field(default_factory=Counter)
    """How often each path was asked for."""
    url: str = ""

    def answer(self, request: Request) -> Answer:
        path = unquote(urlsplit(request.path).path)
        self.asked[path] += 1
        return Answer(self.away) if self.away else Answer(*self.by_path.get(path, (404, b"")))


@contextmanager
def answering() -> Iterator[Answers]:
    """Run a server until the end of the block."""
    answers = Answers()
    with serving(answers.answer) as server:
        answers.url = server.url
        yield answers
