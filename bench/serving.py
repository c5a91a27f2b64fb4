"""How many single risks a second the server gives on one core, and how long each waits.

(l) Patients one after the other over kept connections: at a fixed rate whatever the answers take
(waiting from the moment a request was due, so that a stalled server cannot hide), and as fast as
one client goes. Beside it `mlflow models serve` with the same model in the same run. Both servers
are held to one core, the client to the others; each answer's risk must be that of the table of all
patients, to the last bit.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from crsrisk.data.cohort import Cohort
from crsrisk.data.world import load_world
from crsrisk.data.world_files import all_products
from crsrisk.folders import find
from crsrisk.model.companions import load_companions
from crsrisk.model.store import load_model
from crsrisk.model.tracking import tracking
from crsrisk.simulation.arm import make_arm
from crsrisk.simulation.cohort import simulate_cohort
from crsrisk.studies.predict import score_patients
from crsrisk.studies.serving import served_form

MODEL = "baseline-0.1.0"
RATE, SECONDS, CONNECTIONS = 200, 20, 16
BAR_P99_MS = 50.0
N_PATIENTS, WARM_UP, START_S = 400, 100, 240


@dataclass(frozen=True)
class Served:
    """One server: milliseconds a request, and requests a second."""

    median_ms: float
    p99_ms: float
    slowest_ms: float
    per_second: float
    is_same: bool


class Client:
    """One kept connection."""

    def __init__(self, port: int, path: str) -> None:
        self.port, self.path = port, path

    async def open(self) -> None:
        """Connect."""
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)

    async def ask(self, body: bytes) -> dict[str, Any]:
        """One request and its answer."""
        self.writer.write(
            f"POST {self.path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nContent-Type:"
            f" application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        head = (await self.reader.readuntil(b"\r\n\r\n")).lower()
        if b" 200 " not in head.partition(b"\r\n")[0]:
            raise RuntimeError(head.decode())
        size = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0])
        found: dict[str, Any] = json.loads(await self.reader.readexactly(size))
        return found


async def one_by_one(port: int, path: str, bodies: Sequence[bytes]) -> tuple[list[float], Any]:
    """Milliseconds of every request of one client that waits for each answer, and the answers."""
    client = Client(port, path)
    await client.open()
    for body in bodies[:WARM_UP]:
        await client.ask(body)
    times, answers = [], []
    for body in bodies:
        start = time.perf_counter()
        answers.append(await client.ask(body))
        times.append(1e3 * (time.perf_counter() - start))
    return times, answers


async def at_rate(port: int, path: str, bodies: Sequence[bytes]) -> tuple[list[float], Any, float]:
    """Milliseconds from when each request was due, the answers, and seconds in all."""
    due: asyncio.Queue[tuple[int, float]] = asyncio.Queue()
    n = RATE * SECONDS
    times, answers = [0.0] * n, [None] * n

    async def work() -> None:
        client = Client(port, path)
        await client.open()
        while True:
            place, start = await due.get()
            answers[place] = await client.ask(bodies[place % len(bodies)])  # type: ignore[call-overload]
            times[place] = 1e3 * (time.perf_counter() - start)
            due.task_done()

    workers = [asyncio.create_task(work()) for _ in range(CONNECTIONS)]
    begin = time.perf_counter()
    for place in range(n):
        start = begin + place / RATE
        await asyncio.sleep(max(0.0, start - time.perf_counter()))
        due.put_nowait((place, start))
    await due.join()
    took = time.perf_counter() - begin
    for worker in workers:
        worker.cancel()
    return times, answers, took


@contextmanager
def on_one_core(command: Sequence[str], port: int) -> Iterator[None]:
    """A server in a process of its own on the first core, from its first answer to its end."""
    places = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # mlflow runs uvicorn
    env = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PATH": places}
    process = subprocess.Popen(
        command,
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    try:
        if len(cores) > 1:
            os.sched_setaffinity(process.pid, {min(cores)})
            os.sched_setaffinity(0, cores - {min(cores)})
        _wait_for(process, port)
        yield
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)
        if cores:
            os.sched_setaffinity(0, cores)


def _wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    for _ in range(START_S):
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}")
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health") as told:
            if told.status == 200:
                return
        time.sleep(1)
    raise RuntimeError("the server does not answer")


def load_worker(port: int) -> None:
    """Have a table scored, so that the worker has loaded what it needs and rests."""
    address = f"http://127.0.0.1:{port}/v1/models/{MODEL}/table"
    asked = urllib.request.Request(address, b"patient_id\n1\n", {"Content-Type": "text/csv"})
    try:
        urllib.request.urlopen(asked)
    except urllib.error.HTTPError as told:
        if told.code != 422:  # columns are lacking, as the worker said
            raise


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def patients() -> Cohort:
    """Simulated patients of all products."""
    world = load_world()
    arms = [make_arm(one, world=world) for one in all_products().values()]
    return simulate_cohort(arms, world=world, n_patients=N_PATIENTS, seed=1)


def told(times: Sequence[float], risks: Sequence[Any], wanted: Sequence[Any], s: float) -> Served:
    """What was measured."""
    median, p99 = np.quantile(times, [0.5, 0.99]).tolist()
    same = all(one == wanted[place % len(wanted)] for place, one in enumerate(risks))
    return Served(median, p99, max(times), len(times) / s, same)


def measure() -> dict[str, Any]:
    """All of it and what it was measured on, ready for JSON."""
    folder = find("released", MODEL)
    model = load_model(folder)
    observed = patients().observed
    scored = score_patients(model, observed, beside=load_companions(folder, model=model)).rows
    wanted = [None if np.isnan(risk) else risk for risk in scored["risk"].tolist()]
    rows = json.loads(
        observed.drop(columns="patient_id").to_json(orient="records", double_precision=15)
    )
    found: dict[str, Served] = {}

    port = free_port()
    command = [sys.executable, "-m", "crsrisk", "serve", "--port", str(port), "--no-page"]
    path = f"/v1/models/{MODEL}/risk"
    bodies = [json.dumps({"patient": row}).encode() for row in rows]
    with on_one_core(command, port):
        load_worker(port)
        times, answers = asyncio.run(one_by_one(port, path, bodies))
        risks = [one["risk"] for one in answers]
        found["crsrisk, one by one"] = told(times, risks, wanted, sum(times) / 1e3)
        times, answers, took = asyncio.run(at_rate(port, path, bodies))
        risks = [one["risk"] for one in answers]
        found[f"crsrisk, {RATE} a second"] = told(times, risks, wanted, took)

    with TemporaryDirectory() as home:
        with tracking(folder=Path(home), experiment="bench", run="serve", notice="") as run:
            address = run.model(model, served_form(model), is_registered=False)
        port = free_port()
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{home}/mlflow.db"
        command = [
            *(sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", str(address)),
            *("--port", str(port), "--env-manager", "local"),
        ]
        bodies = [json.dumps({"dataframe_records": [row]}).encode() for row in rows]
        with on_one_core(command, port):
            times, answers = asyncio.run(one_by_one(port, "/invocations", bodies))
            risks = [one["predictions"][0]["risk"] for one in answers]
            found["mlflow models serve, one by one"] = told(times, risks, wanted, sum(times) / 1e3)
        os.environ.pop("MLFLOW_TRACKING_URI")
    return {
        "serving": {name: asdict(one) for name, one in found.items()},
        "rate": RATE,
        "bars": {"p99_ms": BAR_P99_MS},
        "machine": {
            "processor": platform.machine(),
            "cores": os.cpu_count(),
            "load_1_min": os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan"),
        },
    }


def table(found: dict[str, Any]) -> str:
    """The result in words."""
    verdict = {True: "met", False: "MISSED"}
    lines = []
    for name, one in found["serving"].items():
        bar = ""
        if str(found["rate"]) in name:
            is_met = one["p99_ms"] < found["bars"]["p99_ms"]
            bar = f"; p99 under {found['bars']['p99_ms']:g} ms: {verdict[is_met]}"
        lines.append(
            f"{'(l) ' + name:<40}{one['per_second']:>8,.0f}/s  median {one['median_ms']:,.1f} ms,"
            f" p99 {one['p99_ms']:,.1f} ms, slowest {one['slowest_ms']:,.1f} ms"
            f"; the table's to the last bit: {verdict[one['is_same']]}{bar}"
        )
    lines.append(f"    load of the machine {found['machine']['load_1_min']:.1f}")
    return "\n".join(lines)
