"""Logs: one line of JSON an event to the error stream, without anything that a client sent but the
method and the template of the path.
"""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


def log(event: str, **facts: str | int | float | None) -> None:
    """Write one line; the facts hold nothing of a patient."""
    moment = datetime.now(UTC).isoformat(timespec="milliseconds")
    if sys.stderr is not None:
        print(json.dumps({"time": moment, "event": event, **facts}), file=sys.stderr, flush=True)


def kind_and_place(problem: BaseException) -> dict[str, str]:
    """The type of an exception and the line of this package that raised it; its message may quote a
    value and is left out.
    """
    frames = traceback.extract_tb(problem.__traceback__)
    ours = [one for one in frames if Path(one.filename).is_relative_to(_PACKAGE)]
    place = ""
    if ours:
        place = f"{Path(ours[-1].filename).relative_to(_PACKAGE)}:{ours[-1].lineno}"
    return {"type": type(problem).__name__, "place": place}


class AsJson(logging.Handler):
    """The messages of uvicorn, each as one line of JSON, without tracebacks."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a message; of an exception its kind and place alone."""
        raised = record.exc_info[1] if record.exc_info else None
        if raised is not None:
            log("error", **kind_and_place(raised))
        else:
            log("server", level=record.levelname.lower(), message=record.getMessage())
