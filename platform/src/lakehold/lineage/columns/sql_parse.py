"""SQL text → syntax tree, within bounds: what is too large or too deep is refused, whatever the text is."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from typing import Any

from sqlglot import Dialect, TokenType, exp
from sqlglot.errors import SqlglotError, TokenError
from sqlglot.parser import Parser
from sqlglot.tokenizer_core import Token

from lakehold.lineage.columns.sql_scope import Unreadable

MOST_CHARACTERS = 400_000
MOST_TOKENS = 60_000
MOST_NESTING = 40
"""Brackets and CASEs in one another. Python's own limit comes at about fifty."""
_STEPS_A_TOKEN = 300
"""A statement takes some thirty looks of the parser at each of its words; many more are a search without an end."""

# It warns of every statement it has no words for, with the statement, which is not for a log.
logging.getLogger("sqlglot").setLevel(logging.CRITICAL)

_OPENING = frozenset({TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE, TokenType.CASE})
_CLOSING = frozenset({TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE, TokenType.END})


def parse(sql: str, dialect: str) -> exp.Expr | None:
    """Return the one statement of the text, ``None`` when there is none; raises `Unreadable` for anything else."""
    if len(sql) > MOST_CHARACTERS:
        raise Unreadable(f"the statement has {len(sql)} characters; at most {MOST_CHARACTERS} are read")
    spoken = Dialect.get_or_raise(dialect)
    try:
        tokens = spoken.tokenize(sql)
        _bounded(tokens)
        tokens = _respelled(tokens)
        parser = _parser(dialect)(dialect=spoken)
        parser.steps_left = 10_000 + _STEPS_A_TOKEN * len(tokens)
        statements = [statement for statement in parser.parse(tokens, sql) if statement is not None]
    except TokenError as error:
        raise Unreadable("the statement cannot be parsed: a string, a name or a comment has no end") from error
    except SqlglotError as error:
        raise Unreadable(f"the statement cannot be parsed: {_first_line(error)}") from error
    except RecursionError as error:
        raise Unreadable("the statement is nested too deeply to be read") from error
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, AssertionError) as error:
        # The parser trusts its input in places; what trips it is a statement no engine takes either.
        raise Unreadable(f"the statement cannot be parsed: {type(error).__name__} in the parser") from error
    if len(statements) > 1:
        raise Unreadable(f"the text holds {len(statements)} statements")
    return statements[0] if statements else None


def _bounded(tokens: list[Token]) -> None:
    if len(tokens) > MOST_TOKENS:
        raise Unreadable(f"the statement has {len(tokens)} words; at most {MOST_TOKENS} are read")
    depth = 0
    for token in tokens:
        depth += (token.token_type in _OPENING) - (token.token_type in _CLOSING)
        if depth > MOST_NESTING:
            raise Unreadable("the statement is nested too deeply to be read")


def _respelled(tokens: list[Token]) -> list[Token]:
    """The tokens with what the parser has no words for said otherwise.

    ``window(time, '1 hour')`` is a function (a WINDOW clause has a name before its bracket), and Spark's ``REPLACE
    TABLE`` writes what ``CREATE OR REPLACE TABLE`` does.
    """
    for token, following in pairwise(tokens):
        if token.token_type == TokenType.WINDOW and following.token_type == TokenType.L_PAREN:
            token.token_type = TokenType.VAR
    if [token.token_type for token in tokens[:2]] == [TokenType.REPLACE, TokenType.TABLE]:
        return [Token(TokenType.CREATE, "CREATE"), Token(TokenType.OR, "OR"), *tokens]
    return tokens


def _first_line(error: SqlglotError) -> str:
    """What went wrong and where, without the statement around it."""
    return str(error).splitlines()[0].split("  ")[0][:300]


@cache
def _parser(dialect: str) -> Any:
    """The dialect's parser, which stops after a number of steps: some texts send it back and forth without an end."""
    base: type[Parser] = Dialect.get_or_raise(dialect).parser_class

    class Bounded(base):  # type: ignore[valid-type, misc]  # a class that is known only now
        steps_left = 0

    for name in ("_advance", "_match", "_match_pair", "_match_set", "_match_text_seq", "_match_texts"):
        setattr(Bounded, name, _counted(getattr(base, name)))
    return Bounded


def _counted(look: Callable[..., Any]) -> Callable[..., Any]:
    """A parser's way of looking at the next word, counted."""

    def looked(self: Any, *args: Any, **kwargs: Any) -> Any:
        self.steps_left -= 1
        if self.steps_left < 0:
            raise Unreadable("the statement is too ambiguous to be parsed")
        return look(self, *args, **kwargs)

    return looked
