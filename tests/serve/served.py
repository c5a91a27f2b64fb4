"""A server in a process of its own, as a person starts it, and a client that speaks to it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
ANSWER_S = 240  # for one answer, on a machine with other work


@dataclass
class Server:
    """A running server; ``log`` grows with what it says on its error stream."""

    process: subprocess.Popen[str]
    port: int
    log: list[dict[str, Any]] = field(default_factory=list)

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        """Status, headers and body of one answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_S)
        try:
            with suppress(BrokenPipeError):  # answered before all of it was sent
                connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def post(self, path: str, value: object, **headers: str) -> tuple[int, Any]:
        """Status and JSON of an answer to JSON."""
        sent = {"content-type": "application/json", **headers}
        status, _, body = self.ask("POST", path, json.dumps(value).encode(), sent)
        return status, json.loads(body)

    def send(self, path: str, file: bytes, kind: str) -> tuple[int, Any]:
        """Status and JSON of an answer to a file."""
        status, _, body = self.ask("POST", path, file, {"content-type": kind})
        return status, json.loads(body)

    def workers(self) -> list[int]:
        """Its worker processes."""
        listed = subprocess.run(
            ["ps", "-o", "pid=,ppid=,args=", "-A"], capture_output=True, text=True, check=True
        ).stdout
        rows = [line.split(maxsplit=2) for line in listed.splitlines()]
        return [
            int(pid)
            for pid, parent, command in (row for row in rows if len(row) == 3)
            if int(parent) == self.process.pid and "crsrisk.serve.worker" in command
        ]

    def stop(self, number: int = signal.SIGINT) -> int:
        """Its exit code after a signal."""
        self.process.send_signal(number)
        return self.process.wait(60)


@contextmanager
def served(
    *arguments: str, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """`crsrisk serve` on a free port, from its first line on."""
    process = subprocess.Popen(
        [sys.executable, "-m", "crsrisk", "serve", "--port", "0", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    errors = process.stderr
    assert errors is not None
    first = errors.readline()
    server = Server(process, json.loads(first)["port"], [json.loads(first)])
    listener = Thread(target=_collect, args=(errors, server.log))
    listener.start()
    try:
        yield server
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(60)
        listener.join(60)
        errors.close()


def _collect(errors: Iterator[str], log: list[dict[str, Any]]) -> None:
    for line in errors:
        log.append(json.loads(line))
