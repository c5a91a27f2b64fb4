"""`crsrisk serve` as a person starts and ends it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from crsrisk.folders import find
from tests.serve.served import ROOT, served

FOLDER = str(find("released", "baseline-0.1.0"))
TOKEN = "zq-a-token-that-nobody-prints-zq"
MARK = "zqwardzq"


def fails(*arguments: str, **env: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "crsrisk", "serve", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), **env},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    return done.stderr


def test_what_cannot_be_served_is_said_at_once(tmp_path: Path) -> None:
    assert "no token" in fails("--host", "0.0.0.0")
    assert "--allowed-host" in fails("--host", "0.0.0.0", CRSRISK_TOKEN=TOKEN)
    assert "no model" in fails("--models", str(tmp_path), "--port", "0")
    weak = fails("--host", "0.0.0.0", CRSRISK_TOKEN=TOKEN[:12])
    assert "at least 24" in weak
    assert TOKEN[:12] not in weak


@pytest.mark.parametrize(
    "number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_it_ends_in_order_and_leaves_nothing(number: int, tmp_path: Path) -> None:
    """Its workers end with it; nothing of a patient is in any file that it could have written, and
    the token in nothing that it said.
    """
    home, work = tmp_path / "home", tmp_path / "work"
    for place in (home, work):
        place.mkdir()
    places = {"HOME": str(home), "TMPDIR": str(home), "XDG_CACHE_HOME": str(home)}
    places |= {"CRSRISK_TOKEN": TOKEN, "NUMBA_CACHE_DIR": os.environ.get("NUMBA_CACHE_DIR", "")}
    with served(
        "--models", FOLDER, "--no-page", cwd=work, env={k: v for k, v in places.items() if v}
    ) as server:
        model = "/v1/models/baseline-0.1.0"
        row = {"product": "tarlatamab", "site": MARK}
        assert server.post(f"{model}/risk", {"patient": row})[0] == 401
        bearer = {"authorization": f"Bearer {TOKEN}"}
        assert server.post(f"{model}/risk", {"patient": row}, **bearer)[0] == 422
        table = f"patient_id,site,product\n{MARK},{MARK},{MARK}\n".encode()
        status, _, _ = server.ask(
            "POST", f"{model}/table", table, {**bearer, "content-type": "text/csv"}
        )
        assert status == 422
        workers = server.workers()
        assert server.stop(number) == 0
        assert [pid for pid in workers if _runs(pid)] == []
    assert server.log[-1]["event"] == "end"
    assert not any(secret in json.dumps(server.log) for secret in (TOKEN, MARK))
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path for path in written if MARK.encode() in path.read_bytes()] == []


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
