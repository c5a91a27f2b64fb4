"""Application: the routes of the server, each thin: it reads a request, asks the same function as
the command line, and writes the answer.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from math import isnan
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse

from crsrisk.errors import InputError
from crsrisk.report.comparison import Comparison
from crsrisk.serve.guard import problem_json
from crsrisk.serve.limits import Limits
from crsrisk.serve.logs import log
from crsrisk.serve.models import ServedModel
from crsrisk.serve.schemas import (
    Health,
    ModelTold,
    Problem,
    Request_,
    RiskAnswer,
    RiskRequest,
    Sent,
    SimulationRequest,
    TableAnswer,
    read_request,
)
from crsrisk.serve.workers import BusyError, LostError, WorkerPool
from crsrisk.studies.one_risk import OneRisk

ENDINGS: Mapping[str, str] = {  # of tables, by content type
    "text/csv": ".csv",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
    "application/vnd.apache.parquet": ".parquet",
}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": "Not answered, and why"}
    for status in (401, 403, 404, 408, 413, 415, 421, 422, 503)
}


@dataclass(frozen=True)
class Page:
    """The explorer's page and its security policy."""

    html: bytes
    policy: str


def application(
    models: Mapping[str, ServedModel],
    *,
    page: Page | None,
    n_workers: int,
    threads: int,
    limits: Limits,
) -> FastAPI:
    """The routes over these models; without a page the programming interface alone."""
    pool = WorkerPool(n_workers, threads=threads, limits=limits)
    routes = _Routes(models, pool, limits, page)

    @asynccontextmanager
    async def with_workers(app: FastAPI) -> AsyncIterator[None]:
        await pool.start()
        try:
            yield
        finally:
            await pool.close()

    app = FastAPI(
        title="crsrisk",
        version=version("crsrisk"),
        summary="Risk of cytokine release syndrome in solid tumours: research use.",
        description=next(iter(models.values())).model.notice,
        docs_url=None,  # they load scripts from elsewhere
        redoc_url=None,
        lifespan=with_workers,
    )
    _answer_errors(app)
    if page is not None:
        app.get("/", response_class=HTMLResponse, summary="The explorer's page")(routes.explorer)
    app.get("/health", response_model=Health, summary="That the server answers")(routes.health)
    app.get("/v1/models", response_model=list[ModelTold], summary="The models that are served")(
        routes.list_models
    )
    app.post(
        "/v1/models/{model}/risk",
        response_model=RiskAnswer,
        responses=_RESPONSES,
        openapi_extra=_body(RiskRequest),
        summary="The risk of one patient",
    )(routes.risk)
    app.post(
        "/v1/models/{model}/table",
        response_model=TableAnswer,
        responses=_RESPONSES,
        openapi_extra=_files(),
        summary="The risks of a table, one row a patient",
    )(routes.table)
    app.post(
        "/v1/models/{model}/simulation",
        response_model=Comparison,
        responses=_RESPONSES,
        openapi_extra=_body(SimulationRequest),
        summary="One patient simulated with his plan and with each change of it",
    )(routes.simulation)
    return app


class _Routes:
    """What is done for each route."""

    def __init__(
        self,
        models: Mapping[str, ServedModel],
        pool: WorkerPool,
        limits: Limits,
        page: Page | None,
    ) -> None:
        self.models, self.pool, self.limits, self.page = models, pool, limits, page
        # patients who are read as tables, beside those who need none: so many at a time
        self.tables = asyncio.Semaphore(2)

    def named(self, model: str) -> ServedModel:
        """A model by its name and version."""
        if model not in self.models:
            raise HTTPException(404, f"No such model; served are {', '.join(self.models)}.")
        return self.models[model]

    async def explorer(self) -> Response:
        if self.page is None:
            raise HTTPException(404)
        return HTMLResponse(self.page.html, headers={"content-security-policy": self.page.policy})

    async def health(self) -> Response:
        told = Health(
            status="ok",
            version=version("crsrisk"),
            models=list(self.models),
            workers=self.pool.n,
        )
        return _json(told.model_dump())

    async def list_models(self) -> Response:
        return _json([_told(name, one).model_dump() for name, one in self.models.items()])

    async def risk(self, model: str, request: Request) -> Response:
        served = self.named(model)
        asked = await _read(RiskRequest, request)
        found = None if asked.unknown_product else served.single.score_plain(asked.patient)
        if found is None:
            async with self.tables:
                found = await asyncio.to_thread(
                    served.single.by_table, asked.patient, unknown_product=asked.unknown_product
                )
        return _json(_risk_answer(served, found))

    async def table(
        self,
        model: str,
        request: Request,
        unit: Annotated[list[str] | None, Query(description="COLUMN=UNIT; repeatable")] = None,
        rename: Annotated[list[str] | None, Query(description="YOURS=OURS; repeatable")] = None,
        missing: Annotated[list[str] | None, Query(description="[COLUMN=]CODE; repeatable")] = None,
        code: Annotated[
            list[str] | None, Query(description="COLUMN:CODE=WORD,CODE=WORD; repeatable")
        ] = None,
        censored: Annotated[
            list[str] | None, Query(description="[COLUMN=]RULE: missing, half or limit; repeatable")
        ] = None,
        ignore: Annotated[list[str] | None, Query(description="COLUMN; repeatable")] = None,
        ldh_upper_limit: Annotated[float | None, Query(ge=50, le=2000)] = None,
        dose_time: Annotated[str | None, Query(max_length=100, description="COLUMN")] = None,
        sep: Annotated[str | None, Query(max_length=10)] = None,
        decimal: Annotated[str | None, Query(pattern="^[.,]$")] = None,
        thousands: Annotated[str | None, Query(pattern="^[.,' ]$")] = None,
        encoding: Annotated[str | None, Query(max_length=40)] = None,
        sheet: Annotated[str | None, Query(max_length=100)] = None,
        unknown_product: bool = False,
    ) -> Response:
        served, kind = self.named(model), _content_type(request)
        if kind not in ENDINGS:
            raise HTTPException(415, f"The content type is none of {', '.join(ENDINGS)}.")
        work = {
            "kind": "table",
            "model": str(served.folder),
            "ending": ENDINGS[kind],
            "reading": {
                "unit": unit or [],
                "rename": rename or [],
                "missing": missing or [],
                "code": code or [],
                "censored": censored or [],
                "ignore": ignore or [],
                "ldh_upper_limit": ldh_upper_limit,
                "dose_time": dose_time,
                "sep": sep,
                "decimal": decimal,
                "thousands": thousands,
                "encoding": encoding,
                "sheet": sheet,
            },
            "unknown_product": unknown_product,
            "rows": self.limits.rows,
            "unpacked_bytes": self.limits.unpacked_bytes,
        }
        return await self.worked(work, await request.body(), seconds=self.limits.table_s)

    async def simulation(self, model: str, request: Request) -> Response:
        served = self.named(model)
        if not served.has_simulation:
            raise HTTPException(404, "Patients are simulated beside models of grade 2 or more.")
        asked = await _read(SimulationRequest, request)
        work = {"kind": "simulation", "model": str(served.folder), **asked.model_dump()}
        return await self.worked(work, seconds=self.limits.simulation_s)

    async def worked(
        self, work: Mapping[str, Any], file: bytes = b"", *, seconds: float
    ) -> Response:
        """What a worker answers."""
        try:
            answer = await self.pool.ask(work, file=file, seconds=seconds)
        except (BusyError, LostError, TimeoutError) as problem:
            why = {
                BusyError: "Too many requests wait.",
                LostError: "The worker ended before it answered; another has taken its place.",
            }.get(type(problem), "The work took too long.")
            raise HTTPException(503, why, headers={"retry-after": "10"}) from problem
        if "result" in answer:
            return _json(answer["result"])
        if "input" in answer:
            raise InputError(**answer["input"])
        log("error", **answer["error"])
        raise HTTPException(500, "An error in a worker; nothing was stored.")


def _answer_errors(app: FastAPI) -> None:
    """Errors as JSON of one shape, without a value that was sent to anybody but in the answer."""

    @app.exception_handler(InputError)
    async def mendable(request: Request, problem: InputError) -> Response:
        told = {
            name: str(getattr(problem, name))
            for name in ("where", "key", "found", "expected", "cure")
        }
        return _problem(422, "The request cannot be used as it is.", **told)

    @app.exception_handler(HTTPException)
    async def refused(request: Request, problem: HTTPException) -> Response:
        answer = _problem(problem.status_code, str(problem.detail))
        answer.headers.update(problem.headers or {})
        return answer

    @app.exception_handler(404)
    async def unknown_path(request: Request, problem: HTTPException) -> Response:
        return _problem(404, str(problem.detail))

    @app.exception_handler(405)
    async def other_method(request: Request, problem: HTTPException) -> Response:
        return _problem(405, "The path takes another method.")

    @app.exception_handler(Exception)
    async def failed(request: Request, problem: Exception) -> Response:
        return _problem(500, "An error in the server; nothing was stored.")

    @app.exception_handler(RequestValidationError)
    async def bad_query(request: Request, problem: RequestValidationError) -> Response:
        first = problem.errors()[0]
        return _problem(
            422,
            "The request cannot be used as it is.",
            where="request",
            key=".".join(map(str, first["loc"])),
            expected=str(first["msg"]),
        )


def _problem(status: int, title: str, **more: object) -> Response:
    return Response(
        problem_json(status, title, **more), status, media_type="application/problem+json"
    )


def _json(value: Any) -> Response:
    return Response(json.dumps(value, allow_nan=False), media_type="application/json")


def _content_type(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def _read(kind: type[Request_], request: Request) -> Request_:
    if _content_type(request) != "application/json":
        raise HTTPException(415, "The content type is not application/json.")
    return read_request(kind, await request.body())


def _body(kind: type[Sent]) -> dict[str, Any]:
    """How OpenAPI describes a body that is read here."""
    schema = kind.model_json_schema()
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def _files() -> dict[str, Any]:
    schema = {"type": "string", "format": "binary"}
    content = {kind: {"schema": schema} for kind in ENDINGS}
    return {"requestBody": {"required": True, "content": content}}


def _told(name: str, served: ServedModel) -> ModelTold:
    contract = served.model.contract
    return ModelTold(
        name=name,
        outcome=contract.outcome_in_words,
        landmark_h=contract.landmark_h,
        columns=list(contract.column_names),
        has_simulation=served.has_simulation,
        notice=served.model.notice,
    )


def _risk_answer(served: ServedModel, found: OneRisk) -> dict[str, Any]:
    """The answer as :class:`RiskAnswer` describes it."""
    told = asdict(found)
    for name, value in told.items():
        if isinstance(value, float):
            told[name] = None if isnan(value) else float(value)
    return {
        "model": served.model.label,
        "outcome": served.model.contract.outcome_in_words,
        **told,
        "account": [
            {
                "kind": note.kind,
                "column": note.column,
                "found": note.found,
                "expected": note.expected,
                "cure": note.cure,
            }
            for note in found.account
        ],
        "notice": served.model.notice,
    }
