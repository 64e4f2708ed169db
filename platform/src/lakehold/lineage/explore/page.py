"""The page that browses the graph: its files, the graph library, and the login.

The files hold no data, so they are given to anybody; what they show, the page asks for with a session.
"""

from __future__ import annotations

import gzip
import hashlib
import hmac
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import orjson
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from lakehold.lineage.answer import AnswerError
from lakehold.lineage.explore.session import SESSION_SECONDS, Sessions

log = logging.getLogger(__name__)

LIBRARY = "cytoscape.js"
"""The name under which the page imports the graph library."""
_LIBRARY_FILE = "dist/cytoscape.esm.min.mjs"
_MOST_CODE = 1000

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_HEADERS = {
    # Nothing but this service's own files runs, and nothing goes anywhere else.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


@dataclass(frozen=True, kw_only=True)
class _File:
    """A file of the page, ready to be sent."""

    type: str
    plain: bytes
    zipped: bytes
    etag: str


def _file(name: str, content: bytes) -> _File:
    return _File(
        type=_TYPES[Path(name).suffix],
        plain=content,
        zipped=gzip.compress(content, mtime=0),
        etag=f'"{hashlib.sha256(content).hexdigest()[:32]}"',
    )


def _files(library: Path | None) -> Iterator[tuple[str, _File]]:
    for entry in (resources.files("lakehold.lineage.explore") / "assets").iterdir():
        if Path(entry.name).suffix in _TYPES:
            yield entry.name, _file(entry.name, entry.read_bytes())
    if library is None:
        return
    try:
        yield LIBRARY, _file(LIBRARY, (library / _LIBRARY_FILE).read_bytes())
    except OSError as problem:
        # Lists and details need no drawing; the page says what is missing.
        log.warning("the lineage page will draw nothing: %s", problem)


def routes(sessions: Sessions, library: Path | None) -> list[Route]:
    """Return the page's routes; ``library`` is the folder of the graph library, None where there is none."""
    files = dict(_files(library))

    async def page(request: Request) -> Response:
        found = files.get(request.path_params.get("name", "index.html"))
        if found is None:
            raise AnswerError(404, "the page has no such file")
        headers = {**_HEADERS, "ETag": found.etag, "Vary": "Accept-Encoding"}
        if request.headers.get("if-none-match") == found.etag:
            return Response(status_code=304, headers=headers)
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(found.zipped, media_type=found.type, headers={**headers, "Content-Encoding": "gzip"})
        return Response(found.plain, media_type=found.type, headers=headers)

    async def begin(request: Request) -> Response:
        """Trade the code of a login link, or the service's token, for a session."""
        given = request.headers.get("authorization", "").encode("latin-1")
        if hmac.compare_digest(given, b"Bearer " + sessions.token.encode("utf-8")):
            session: str | None = sessions.begin()
        else:
            session = sessions.trade(await _code(request))
        if session is None:
            raise AnswerError(401, "this login has ended or was used: make a new link with lakehold lineage page")
        answer = {"session": session, "seconds": SESSION_SECONDS}
        return JSONResponse(answer, status_code=201)

    async def end(request: Request) -> Response:
        """End the session that asks for it: it logs out."""
        if not sessions.end(request.headers.get("authorization", "").removeprefix("Bearer ")):
            raise AnswerError(401, "there is no such session")
        return Response(status_code=204)

    return [
        Route("/", page, methods=["GET"]),
        Route("/page/{name}", page, methods=["GET"]),
        Route("/api/v1/session", begin, methods=["POST"]),
        Route("/api/v1/session", end, methods=["DELETE"]),
    ]


async def _code(request: Request) -> str:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_CODE:
            raise AnswerError(413, "a login is shorter")
    try:
        return str(orjson.loads(body)["code"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise AnswerError(400, 'a login is {"code": "…"}, or has the token in Authorization') from None
