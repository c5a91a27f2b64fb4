"""What a server must stand: strangers, slow and large clients, malformed bodies; and its logs."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crsrisk.serve.guard import Guard
from crsrisk.serve.limits import Limits
from crsrisk.serve.security import Door, door
from tests.serve.served import Server
from tests.serve.test_application import MODEL, PARQUET, XLSX, patient

JSON = {"content-type": "application/json"}
TOKEN = "a-token-that-is-long-enough-1"


def test_another_host_or_origin_is_refused(server: Server) -> None:
    assert server.ask("GET", "/health", headers={"Host": "evil.example"})[0] == 421
    assert server.ask("GET", "/health", headers={"Host": f"localhost:{server.port}"})[0] == 200
    body = json.dumps({"patient": patient()}).encode()
    foreign = {**JSON, "Origin": "https://evil.example"}
    assert server.ask("POST", f"{MODEL}/risk", body, foreign)[0] == 403
    own = {**JSON, "Origin": f"http://127.0.0.1:{server.port}"}
    status, headers, _ = server.ask("POST", f"{MODEL}/risk", body, own)
    assert status == 200
    assert "access-control-allow-origin" not in headers
    assert server.ask("OPTIONS", f"{MODEL}/risk", headers=own)[0] == 405
    assert server.ask("POST", f"{MODEL}/risk", body, {"content-type": "text/plain"})[0] == 415


def test_headers_of_every_answer(server: Server) -> None:
    for path in ("/health", "/nothing"):
        _, headers, _ = server.ask("GET", path)
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert "set-cookie" not in headers
        assert "server" not in headers


def test_a_large_body_is_refused_before_it_came(server: Server) -> None:
    """The answer comes though nearly nothing of the announced body was sent; and at the first
    excess byte of one that does not say its size.
    """
    for extra, sent in (
        ("Content-Length: 9000000000", b"x"),
        ("Transfer-Encoding: chunked", b"fffff\r\n" + b"x" * 0xFFFFF + b"\r\n"),
    ):
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as client:
            client.sendall(
                f"POST {MODEL}/risk HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json"
                f"\r\n{extra}\r\n\r\n".encode()
                + sent
            )
            assert client.recv(100).startswith(b"HTTP/1.1 413 ")


def test_a_slow_client_blocks_nobody(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as slow:
        slow.sendall(
            f"POST {MODEL}/risk HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{{".encode()
        )
        time.sleep(0.2)
        for _ in range(5):
            assert server.post(f"{MODEL}/risk", {"patient": patient()})[0] == 200


HUGE = b'{"patient": {"product": "nobody", "crp": 1e999}}'


def json_values() -> st.SearchStrategy[Any]:
    plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    return st.recursive(
        plain,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
        max_leaves=5,
    )


KEYS = [
    "product",
    "platform",
    "age_years",
    "is_female",
    "crp_mg_l",
    "tumour_type",
    "regimen",
    "crp",
]
KEYS += ["ldh", "sex", "course", "prophylaxis", "confirmed", "patient_id", "ecog", "label"]


BODIES = {
    "deep": b'{"patient":' * 50_000,
    "a key twice": b'{"a":1,"a":2}',
    "no UTF-8": b"\xff\xfe{",
    "half of a character": b'"\\ud800"',
    "huge": HUGE,
}


@st.composite
def malformed(draw: st.DrawFn) -> tuple[str, str, bytes | str]:
    """A route, a content type and a body: noise, any JSON, a request with something odd in it, the
    beginning of one, or the name of one in ``BODIES``.
    """
    route = draw(st.sampled_from(["risk", "simulation", "table"]))
    odd = {**patient(), **draw(st.dictionaries(st.sampled_from(KEYS), json_values(), max_size=3))}
    if route == "simulation":
        odd = {"product": "nobody", **draw(st.dictionaries(st.sampled_from(KEYS), json_values()))}
    request: Any = draw(
        st.sampled_from([{"patient": odd}, {"patient": odd, "seed": draw(json_values())}])
        | json_values()
    )
    body = json.dumps(request).encode()  # with NaN and Infinity, which are no JSON
    body = draw(
        st.just(body)
        | st.binary(max_size=60)
        | st.integers(0, len(body)).map(lambda end: body[:end])
        | st.sampled_from(sorted(BODIES))
    )
    kind = "application/json"
    if route == "table":
        kind = draw(st.sampled_from(["text/csv", XLSX, PARQUET]))
    return route, kind, body


def answered(server: Server, request: tuple[str, str, bytes | str]) -> int:
    route, kind, made = request
    body = BODIES[made] if isinstance(made, str) else made
    try:
        status, _, answer = server.ask("POST", f"{MODEL}/{route}", body, {"content-type": kind})
    except ConnectionResetError:  # closed on what was still being sent
        assert made == "deep"
        return 413
    json.loads(answer)
    return status


@pytest.mark.filterwarnings("ignore:Generating overly large repr")
@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(request=malformed())
def test_malformed_bodies_are_refused(
    server: Server, request: tuple[str, str, bytes | str]
) -> None:
    assert answered(server, request) in (200, 413, 415, 422)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Generating overly large repr")
@settings(max_examples=1000, suppress_health_check=[HealthCheck.too_slow])
@given(request=malformed())
def test_a_thousand_malformed_bodies(server: Server, request: tuple[str, str, bytes | str]) -> None:
    assert answered(server, request) in (200, 413, 415, 422)


def test_nothing_of_a_patient_is_logged(server: Server) -> None:
    marks = {"site": "zq-ward-zq", "crp_mg_l": 77.123123, "regimen": "zq-regimen-zq"}
    for value in ({"patient": patient(**marks)}, {"patient": {**patient(), "zq-key-zq": 1}}):
        server.post(f"{MODEL}/risk", value)
    server.post(f"{MODEL}/simulation", {"patient": {"product": "zq-product-zq"}})
    server.send(f"{MODEL}/table?unit=zq-q-zq%3Dx", b"patient_id,zq-c-zq\n1,zq-v-zq\n", "text/csv")
    server.ask("GET", "/zq-path-zq")
    time.sleep(0.5)
    text = json.dumps(server.log)
    assert "zq-" not in text
    assert "77.123123" not in text
    risk = [line for line in server.log if line.get("path", "").endswith("/risk")][-1]
    assert set(risk) == {
        *("time", "event", "method", "path", "status", "ms", "bytes_in", "bytes_out"),
    }
    assert risk["path"] == "/v1/models/{model}/risk"


# --- the guard alone, around an application that is made to fail ---


async def asked(guard: Guard, *headers: tuple[str, str], path: str = "/x") -> tuple[int, bytes]:
    """Status and body of one GET."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(dict(message))

    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "headers": [(name.encode(), value.encode()) for name, value in headers],
    }
    await guard(scope, receive, send)
    return sent[0]["status"], sent[1]["body"]


def run(guard: Guard, *headers: tuple[str, str], path: str = "/x") -> tuple[int, bytes]:
    return asyncio.run(asked(guard, *headers, path=path))


async def fails(scope: Any, receive: Any, send: Any) -> None:
    raise ValueError("crp_mg_l of the patient is 42")


async def hangs(scope: Any, receive: Any, send: Any) -> None:
    await asyncio.sleep(60)


def test_an_error_is_told_without_its_message(capsys: pytest.CaptureFixture[str]) -> None:
    local = door(host="127.0.0.1", token=None)
    status, body = run(Guard(fails, local, Limits()), ("host", "localhost"))
    told = capsys.readouterr().err
    assert status == 500
    assert b"42" not in body
    assert "42" not in json.dumps({**json.loads(told), "time": "", "ms": 0})
    assert json.loads(told)["type"] == "ValueError"


def test_an_answer_that_takes_too_long_is_ended() -> None:
    local = door(host="127.0.0.1", token=None)
    status, _ = run(Guard(hangs, local, Limits(answer_s=0.05)), ("host", "localhost"))
    assert status == 503


@pytest.mark.parametrize(
    ("sent", "path", "status"),
    [
        ("", "/v1/models", 401),
        ("Bearer wrong", "/v1/models", 401),
        (f"Basic {TOKEN}", "/v1/models", 401),
        (f"Bearer {TOKEN}", "/v1/models", 500),
        ("", "/health", 500),
    ],
)
def test_a_token_is_asked_for_where_there_is_one(sent: str, path: str, status: int) -> None:
    guard = Guard(fails, Door(frozenset({"ward"}), TOKEN.encode()), Limits())
    found, body = run(guard, ("host", "ward:8000"), ("authorization", sent), path=path)
    assert found == status
    assert TOKEN.encode() not in body
