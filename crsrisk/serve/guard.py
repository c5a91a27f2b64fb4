"""Guard: what every request passes before and after its route, as one ASGI application around
another: name, origin, token, size, time, headers of security, and one line of log.

The body is read here, whole and within a limit, before a route sees the request: a body that is too
large is refused at its first excess byte, a slow client holds nothing but its own connection.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from crsrisk.serve.limits import Limits
from crsrisk.serve.logs import kind_and_place, log
from crsrisk.serve.security import API_POLICY, HEADERS, Door

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Application: TypeAlias = Callable[[Message, Receive, Send], Awaitable[None]]

OPEN = frozenset({"/", "/health"})  # what holds nothing of a patient is given without the token
TABLES = "/table"  # end of the paths whose body is a file
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_GONE = 499  # the client left
_SECURITY = [(name.encode(), value.encode()) for name, value in HEADERS.items()]


class RefusedError(Exception):
    """A request that is answered here, with a status and a sentence."""

    def __init__(self, status: int, title: str, *headers: tuple[str, str]) -> None:
        super().__init__(title)
        self.status, self.title, self.headers = status, title, headers


class GoneError(Exception):
    """The client left before its request was whole."""


def problem_json(status: int, title: str, **more: object) -> bytes:
    """The body of an error (RFC 9457)."""
    return json.dumps({"title": title, "status": status, **more}, allow_nan=False).encode()


@dataclass(frozen=True, eq=False)
class Guard:
    """An application with the guard around it."""

    app: Application
    door: Door
    limits: Limits

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one request; anything but HTTP and the start and end of the server is refused."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            await self._answer(scope, receive, _Answer(send))
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _answer(self, scope: Message, receive: Receive, answer: _Answer) -> None:
        start, n_bytes = time.perf_counter(), 0
        failed: dict[str, str] = {}
        refusal: RefusedError | None = None
        try:
            headers = {name.lower(): value for name, value in scope["headers"]}
            self._check(scope, headers)
            body = await self._body(scope, headers, receive)
            n_bytes = len(body)
            async with asyncio.timeout(self._seconds(scope["path"])):
                await self.app(scope, _replay(body, receive), answer)
        except RefusedError as refused:
            refusal = refused
        except GoneError:
            answer.status = _GONE
        except TimeoutError:
            refusal = RefusedError(503, "The answer took too long.", ("retry-after", "10"))
        except Exception as problem:
            failed = kind_and_place(problem)
            refusal = RefusedError(500, "An error in the server; nothing was stored.")
        if refusal is not None and not answer.status:
            await answer.refuse(refusal)
        log(
            "request",
            method=scope["method"] if scope["method"] in _METHODS else "other",
            path=getattr(scope.get("route"), "path", ""),
            status=answer.status,
            ms=round(1e3 * (time.perf_counter() - start), 2),
            bytes_in=n_bytes,
            bytes_out=answer.n_bytes,
            **failed,
        )
        if refusal is not None and not answer.is_whole:
            raise ConnectionError("an answer that was begun is broken off")

    def _check(self, scope: Message, headers: dict[bytes, bytes]) -> None:
        host = headers.get(b"host", b"").decode("latin-1")
        n_hosts = sum(name.lower() == b"host" for name, _ in scope["headers"])
        if n_hosts != 1 or not self.door.knows_host(host):
            raise RefusedError(421, "The Host header names another server.")
        if not self.door.is_same_site(headers.get(b"origin", b"").decode("latin-1"), host):
            raise RefusedError(403, "The request comes from a page of another site.")
        is_open = scope["path"] in OPEN and scope["method"] in ("GET", "HEAD")
        if not is_open and not self.door.admits(headers.get(b"authorization", b"")):
            raise RefusedError(
                401,
                "The token is missing or wrong.",
                ("www-authenticate", 'Bearer realm="crsrisk"'),
            )

    async def _body(self, scope: Message, headers: dict[bytes, bytes], receive: Receive) -> bytes:
        most = self.limits.json_bytes
        if scope["path"].endswith(TABLES):
            most = self.limits.table_bytes
        too_large = RefusedError(
            413, f"The body is larger than {most:,} bytes.", ("connection", "close")
        )
        length = headers.get(b"content-length", b"0")
        if length.isdigit() and int(length[:20]) > most:
            raise too_large
        parts, size = [], 0
        try:
            async with asyncio.timeout(self.limits.body_s):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise GoneError
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    if size > most:
                        raise too_large
                    if not message.get("more_body", False):
                        return b"".join(parts)
        except TimeoutError:
            raise RefusedError(408, "The body came too slowly.", ("connection", "close")) from None

    def _seconds(self, path: str) -> float:
        """The most that a route may take; what a worker does has its own limit within."""
        if path.endswith(TABLES):
            return self.limits.table_s + self.limits.answer_s
        if path.endswith("/simulation"):
            return self.limits.simulation_s + self.limits.answer_s
        return self.limits.answer_s


class _Answer:
    """What is sent back, with the headers of security; counts bytes and keeps the status."""

    def __init__(self, send: Send) -> None:
        self._send, self.status, self.n_bytes, self.is_whole = send, 0, 0, False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            known = {name.lower() for name, _ in message.get("headers", [])}
            policy = (b"content-security-policy", API_POLICY.encode())
            more = [pair for pair in (*_SECURITY, policy) if pair[0] not in known]
            message = {**message, "headers": [*message.get("headers", []), *more]}
        else:
            self.n_bytes += len(message.get("body", b""))
            self.is_whole = not message.get("more_body", False)
        await self._send(message)

    async def refuse(self, refused: RefusedError) -> None:
        """Answer in the place of the application."""
        body = problem_json(refused.status, refused.title)
        headers = (
            ("content-type", "application/problem+json"),
            ("content-length", str(len(body))),
            *refused.headers,
        )
        await self(
            {
                "type": "http.response.start",
                "status": refused.status,
                "headers": [(name.encode(), value.encode()) for name, value in headers],
            }
        )
        await self({"type": "http.response.body", "body": body})


def _replay(body: bytes, receive: Receive) -> Receive:
    """The body that was read as one message; then whatever the client does."""
    told = False

    async def replay() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
