"""A fake of what stands before a REST catalog: it hands out and checks tokens, and can tear a transaction apart.

Not a catalog: every request that has a token goes on to a real server. Tokens are handed out as RFC 6749, section 4.4
(client credentials) says, with errors as in its section 5.2; requests without one get the catalog protocol's 401.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs

import httpx

TOKENS = "/login/token"
TRANSACTION = "/transactions/commit"
_HOP_BY_HOP = ("transfer-encoding", "content-encoding", "content-length", "connection", "date", "server")


@dataclass(frozen=True, kw_only=True)
class Client:
    """Who may ask for a token, with which scope."""

    name: str
    secret: str
    scope: str


class FakeGateway:
    """Serves on a port of its own, in threads, until the end of its ``with`` block; records what it was asked."""

    def __init__(self, backend: str, client: Client | None = None, token: str | None = None) -> None:
        self._backend = backend
        self._client = client
        self._tokens = {token} if token else set()
        self._closed = client is not None or token is not None
        self.requests: list[str] = []
        """``METHOD /path status`` of every request that was passed on or refused."""
        self.transactions: list[dict[str, Any]] = []
        """The bodies of commits of several tables."""
        self.tear = False
        """Let only the first table of the next transaction through, and say that all is well."""
        self.lose = False
        """Let the next transaction through, and say that the server is gone."""
        self.before: Callable[[], None] | None = None
        """Done before the next transaction is let through."""
        self.after: Callable[[], None] | None = None
        """Done when the next transaction has been let through, before it is answered."""
        self.dropping: Callable[[], None] | None = None
        """Done before the next table or schema is dropped, which then is not."""
        self.registering: Callable[[], None] | None = None
        """Done before the next table is registered."""
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self) -> None:
                gateway.serve(self)

            do_GET = do_POST = do_DELETE = do_HEAD = _serve  # noqa: N815  # names of the standard library

            def log_message(self, *_line: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._http = httpx.Client(trust_env=False, timeout=60)

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._http.close()

    def expire(self) -> None:
        """Make all tokens invalid that were handed out."""
        self._tokens.clear()

    def serve(self, request: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        if request.path == TOKENS:
            status, answer = self._token(body)
            self._answer(request, status, {"Content-Type": "application/json"}, json.dumps(answer).encode())
        elif self._closed and request.headers.get("Authorization", "").removeprefix("Bearer ") not in self._tokens:
            error = {"message": "no valid token", "type": "NotAuthorizedException", "code": 401}
            content = json.dumps({"error": error}).encode()
            self._answer(request, 401, {"Content-Type": "application/json"}, content)
        elif request.command == "DELETE" and self.dropping is not None:
            dropping, self.dropping = self.dropping, None
            dropping()
            self._answer(request, 503, {}, b"")
        elif request.path.endswith(TRANSACTION):
            self._transaction(request, body)
        else:
            if request.path.endswith("/register") and self.registering is not None:
                registering, self.registering = self.registering, None
                registering()
            self._pass_on(request, body)

    def _token(self, body: bytes) -> tuple[int, dict[str, Any]]:
        form = {key: values[0] for key, values in parse_qs(body.decode()).items()}
        if form.get("grant_type") != "client_credentials":
            return 400, {"error": "unsupported_grant_type"}
        known = self._client
        if known is None or (form.get("client_id"), form.get("client_secret")) != (known.name, known.secret):
            return 401, {"error": "invalid_client"}
        if form.get("scope") != known.scope:
            return 400, {"error": "invalid_scope"}
        token = secrets.token_urlsafe()
        self._tokens.add(token)
        return 200, {"access_token": token, "token_type": "bearer", "expires_in": 3600}

    def _transaction(self, request: BaseHTTPRequestHandler, body: bytes) -> None:
        transaction = json.loads(body)
        self.transactions.append(transaction)
        tear, lose, before, after = self.tear, self.lose, self.before, self.after
        self.tear, self.lose, self.before, self.after = False, False, None, None
        if before is not None:
            before()
        if tear:
            body = json.dumps({"table-changes": transaction["table-changes"][:1]}).encode()
        self._pass_on(request, body, after=after, status=502 if lose else None)

    def _pass_on(
        self,
        request: BaseHTTPRequestHandler,
        body: bytes,
        *,
        after: Callable[[], None] | None = None,
        status: int | None = None,
    ) -> None:
        kept = {key: value for key, value in request.headers.items() if key.lower() not in (*_HOP_BY_HOP, "host")}
        answer = self._http.request(request.command, self._backend + request.path, headers=kept, content=body)
        headers = {key: value for key, value in answer.headers.items() if key.lower() not in _HOP_BY_HOP}
        if after is not None:
            after()
        self._answer(request, status or answer.status_code, headers, answer.content)

    def _answer(self, request: BaseHTTPRequestHandler, status: int, headers: dict[str, str], content: bytes) -> None:
        self.requests.append(f"{request.command} {request.path.partition('?')[0]} {status}")
        request.send_response(status)
        for key, value in headers.items():
            request.send_header(key, value)
        if status != 204:
            request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(content)
