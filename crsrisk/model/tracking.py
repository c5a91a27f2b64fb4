"""Track: what was done and what came out, in MLflow. The only module that imports mlflow, beside
the file that MLflow itself runs when it serves a model (:mod:`crsrisk.studies.served_model`).

By default an sqlite file and the artifacts beside it, in one folder; any tracking server or data
base through the environment variable MLFLOW_TRACKING_URI, which alone is enough. Nothing of a
single patient goes in: no table of rows, no patient number, and the model's input example is made
up. An address is never printed with what may be a password in it.
"""

from __future__ import annotations

import io
import logging
import os
import re
import socket
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch
from urllib.parse import unquote, urlsplit

import pandas as pd
import sqlalchemy

# Whether it reports to its makers, mlflow decides at its import: it does not, and the environment
# is afterwards what it was. Its warnings are about libraries newer than it was written for.
with (
    patch.dict(os.environ, {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}),
    warnings.catch_warnings(),
):
    warnings.simplefilter("ignore", DeprecationWarning)
    warnings.filterwarnings(
        "ignore", message=".*type hint is inferred as AnyType", category=UserWarning
    )
    import mlflow
    import mlflow.pyfunc
    import mlflow.store.tracking.sqlalchemy_store
    from mlflow.data.code_dataset_source import CodeDatasetSource
    from mlflow.data.dataset import Dataset
    from mlflow.data.meta_dataset import MetaDataset
    from mlflow.models import ModelSignature
    from mlflow.types import DataType
    from mlflow.types.schema import ColSpec, ParamSchema, ParamSpec, Schema

from crsrisk import __version__
from crsrisk.data.provenance import Origin
from crsrisk.errors import InputError
from crsrisk.model.risk_model import RiskModel
from crsrisk.model.store import save_model

ENVIRONMENT = "MLFLOW_TRACKING_URI"
ROW_TABLES = (
    ".csv",
    ".tsv",
    ".parquet",
    ".feather",
    ".arrow",
    ".xlsx",
    ".xpt",
    ".pkl",
    ".pickle",
    ".joblib",
    ".npy",
    ".npz",
)
WRITTEN = (".html", ".json", ".md", ".svg", ".txt", ".yaml", ".yml")
_A_PATIENT = re.compile(r"patient_id[\"']?\s*[:=,]\s*\[?\s*\d")
ALIAS = "newest"  # in the registry: the version of a model that was tracked last
MODEL_FOLDER = "risk_model"  # among the artifacts of a served model
_DIGEST = 36  # characters of a data set's digest that MLflow takes
_LIMIT = 500  # characters of a parameter: MLflow's oldest servers take no more
_CHATTY = (
    "alembic",
    "mlflow.store.db.utils",
    "mlflow.models.model",
    "mlflow.pyfunc",
    "mlflow.store.model_registry.abstract_store",
    "mlflow.tracking._model_registry.client",
)
_SILENT = {
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # with the password that is in it
}
_PATIENCE_S = 10.0  # for a server to answer at all
_PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}  # of data bases that name none


@dataclass(frozen=True, kw_only=True)
class Tracker:
    """One open run. Every method adds to it; nothing is returned but links.

    ``uri`` is the tracking address (it may hold a password: neither shown nor logged),
    ``experiment_id`` and ``run_id`` MLflow's names of experiment and run.
    """

    uri: str = field(repr=False)
    experiment_id: str
    run_id: str

    @property
    def how_to_open(self) -> str:
        """How to look at the runs in a browser, without any password."""
        if urlsplit(self.uri).scheme in ("http", "https"):
            return f"open {shown_address(self.uri)}"
        if shown_address(self.uri) != self.uri:
            return f'mlflow ui --backend-store-uri "${ENVIRONMENT}"'
        return f"mlflow ui --backend-store-uri {self.uri}"

    @contextmanager
    def step(self, name: str) -> Iterator[Tracker]:
        """A run inside this one (cohort, fit, evaluate); an exception marks it as failed."""
        with mlflow.start_run(
            experiment_id=self.experiment_id, run_name=name, nested=True, parent_run_id=self.run_id
        ) as run:
            yield Tracker(uri=self.uri, experiment_id=self.experiment_id, run_id=run.info.run_id)

    def params(self, values: Mapping[str, str | int | float | bool]) -> None:
        """Parameters, once each."""
        _refuse_names(values, what="parameter")
        mlflow.log_params(
            {name: str(value)[:_LIMIT] for name, value in values.items()}, run_id=self.run_id
        )

    def metrics(self, values: Mapping[str, float]) -> None:
        """Figures, all in one batch: an interval as `auroc`, `auroc_low`, `auroc_high`. NaN is left
        out.
        """
        _refuse_names(values, what="metric")
        numbers = {name: float(value) for name, value in values.items() if value == value}
        mlflow.log_metrics(numbers, run_id=self.run_id)

    def dataset(self, *, name: str, digest: str, context: str, origin: Origin) -> None:
        """That a table was used: name, digest and whether it was simulated; no column, no row.
        ``context``: training, evaluation.
        """
        source = CodeDatasetSource(tags={"patients_are": origin})
        used: Dataset = MetaDataset(source, name=name, digest=digest[:_DIGEST])  # type: ignore[abstract]
        mlflow.log_input(used, context=context)

    def file(self, path: Path, *, under: str | None = None) -> None:
        """A figure, report or manifest; :class:`InputError` for a table of rows or a patient's
        number.
        """
        refuse_patients(path)
        mlflow.log_artifact(str(path), artifact_path=under, run_id=self.run_id)

    def tags(self, values: Mapping[str, str]) -> None:
        """Tags of the run."""
        _refuse_names(values, what="tag")
        for name, value in values.items():
            mlflow.set_tag(name, value)

    def model(self, model: RiskModel, served: ServedForm, *, is_registered: bool = False) -> str:
        """The model as one that MLflow serves; returns MLflow's address of it.

        Its code is the file ``served.code`` (models from code: nothing is pickled), its artifact
        the whole model folder, from which :func:`crsrisk.model.store.load_model` gives the model.
        ``is_registered``: also as the newest version of the model of that name in the registry,
        under the alias :data:`ALIAS`.
        """
        tags = tags_of(model)
        with tempfile.TemporaryDirectory() as place, warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # mlflow's own, about newer pandas
            folder = save_model(model, Path(place) / MODEL_FOLDER)
            logged = mlflow.pyfunc.log_model(
                name="model",
                python_model=str(served.code),
                artifacts={MODEL_FOLDER: str(folder)},
                input_example=served.example,
                signature=signature(),
                pip_requirements=[f"crsrisk=={__version__}"],
                tags=tags,
                metadata={
                    "model": model.label,
                    "outcome": model.contract.outcome_in_words,
                    "notice": model.notice,
                    "columns": list(served.columns),
                },
            )
        address = str(logged.model_uri)
        if is_registered:
            with redirect_stderr(io.StringIO()):  # it prints that it did
                version = mlflow.register_model(address, model.contract.name, tags=tags).version
            mlflow.MlflowClient().set_registered_model_alias(model.contract.name, ALIAS, version)
        return address


@dataclass(frozen=True)
class ServedForm:
    """How a model is served: the file that MLflow runs, the columns that the model reads, and a
    request that nobody is behind.
    """

    code: Path
    columns: tuple[str, ...]
    example: pd.DataFrame


def signature() -> ModelSignature:
    """What comes out, and what may be stated about a request.

    It has no columns that go in: MLflow would drop every other one in silence, as a unit beside a
    value, a time of sampling or a name that is spelt in another way, and turn or refuse cells by
    their type. A request reaches the model as it is, and is read as a table is.
    """
    texts = ("unit", "rename", "missing", "code", "censored", "ignore")
    return ModelSignature(
        outputs=Schema(
            [
                ColSpec(DataType.double, "risk", required=False),
                ColSpec(DataType.string, "status"),
                ColSpec(DataType.string, "reasons"),
            ]
        ),
        params=ParamSchema(
            [
                ParamSpec("unknown_product", DataType.boolean, False),
                *(ParamSpec(name, DataType.string, [], shape=(-1,)) for name in texts),
                ParamSpec("ldh_upper_limit", DataType.double, None),
                ParamSpec("dose_time", DataType.string, None),
                ParamSpec("decimal", DataType.string, None),
                ParamSpec("thousands", DataType.string, None),
            ]
        ),
    )


def tags_of(model: RiskModel) -> dict[str, str]:
    """What a stored model says of itself: version of the package, and which patients."""
    digests = [one.sha256 for one in model.provenance.steps if one.sha256]
    return {
        "crsrisk_version": __version__,
        "model": model.label,
        "fitted_to": model.provenance.in_words,
        "data_sha256": ",".join(digests),
    }


@contextmanager
def _in_silence() -> Iterator[None]:
    """Only errors of mlflow's own loggers are told; afterwards they say as much as before."""
    levels = {name: logging.getLogger(name).level for name in _CHATTY}
    for name in levels:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with patch.dict(os.environ, _SILENT):
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


@contextmanager
def tracking(
    *, folder: str | Path | None, experiment: str, run: str, notice: str
) -> Iterator[Tracker]:
    """Open the parent run of an experiment; at the end the tracking address is what it was before.

    ``folder`` holds mlflow.db and artifacts/, unless MLFLOW_TRACKING_URI names another place; then
    it may be None. ``notice`` stands beside the run.
    """
    given = os.environ.get(ENVIRONMENT)  # mlflow writes there what it is told, for child processes
    if given is None and folder is None:
        raise ValueError(f"a folder, or {ENVIRONMENT}")
    uri = given or _embedded(Path(str(folder)))
    has_own_artifacts = folder is not None and not _is_served(uri)
    artifacts = Path(str(folder)) / "artifacts" if has_own_artifacts else None
    with _in_silence():
        mlflow.set_tracking_uri(uri)
        try:
            identity = _experiment(experiment, artifacts=artifacts)
            with mlflow.start_run(
                experiment_id=identity, run_name=run, description=notice
            ) as opened:
                yield Tracker(uri=uri, experiment_id=identity, run_id=opened.info.run_id)
        finally:
            # None: as if it had never been set
            mlflow.set_tracking_uri(given)  # type: ignore[arg-type]


def is_tracked(folder: str | Path | None) -> bool:
    """Whether a run is logged: to a folder, or to where MLFLOW_TRACKING_URI says."""
    return folder is not None or bool(os.environ.get(ENVIRONMENT))


def check_server() -> None:
    """Ask the tracking server or data base of MLFLOW_TRACKING_URI for its experiments, before any
    work is done; nothing is asked where none is named.

    Raises
    ------
    InputError
        Where it does not answer, or not to these credentials. No password is in the message.
    """
    uri = os.environ.get(ENVIRONMENT)
    if not uri:
        return
    quick = {
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": f"{_PATIENCE_S:.0f}",
    }
    try:
        if _dialect(uri) in _PORTS:
            _check_database(uri)
        with _in_silence(), patch.dict(os.environ, quick):
            mlflow.MlflowClient(uri).search_experiments(max_results=1)
    except Exception as problem:
        raise InputError(
            where=ENVIRONMENT,
            key=shown_address(uri),
            found=_without_secrets(str(problem) or type(problem).__name__, uri),
            expected="a tracking server or data base that answers",
            cure=(
                f"start it, correct the address, or unset {ENVIRONMENT}"
                if not isinstance(problem, ModuleNotFoundError | sqlalchemy.exc.NoSuchModuleError)
                else "install the driver, or name one that is there (postgresql+pg8000://...)"
            ),
        ) from None  # the exception itself may name the password


def shown_address(uri: str) -> str:
    """An address without user, password and options.

    >>> shown_address("postgresql+pg8000://me:secret@db:5432/mlflow?sslmode=require")
    'postgresql+pg8000://db:5432/mlflow'
    """
    parts = urlsplit(uri)
    if "@" not in parts.netloc and not parts.query:
        return uri
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _without_secrets(text: str, uri: str) -> str:
    """The first line of a message, without what the address keeps secret."""
    parts = urlsplit(uri)
    who = parts.netloc.rpartition("@")[0]
    password = who.partition(":")[2]
    options = [option.partition("=")[2] for option in parts.query.split("&")]
    for secret in (uri, who, password, unquote(password), *options, *map(unquote, options)):
        if secret:
            text = text.replace(secret, "***")
    first, *_ = text.strip().splitlines() or [""]
    return first[:_LIMIT]


def _is_served(uri: str) -> bool:
    """Whether a server keeps the artifacts."""
    return urlsplit(uri).scheme in ("http", "https") or uri.startswith("databricks")


def _dialect(uri: str) -> str:
    return urlsplit(uri).scheme.partition("+")[0]


def _check_database(uri: str) -> None:
    """Connect once: MLflow itself tries ten times, ever more slowly."""
    parts = urlsplit(uri)
    if parts.hostname:
        port = parts.port or _PORTS[_dialect(uri)]
        socket.create_connection((parts.hostname, port), timeout=_PATIENCE_S).close()
    engine = sqlalchemy.create_engine(uri)
    try:
        engine.connect().close()
    finally:
        engine.dispose()


def refuse_patients(path: Path) -> None:
    """Raise :class:`InputError` for a file that holds rows of patients, or a patient's number in
    its text.
    """
    is_written = path.suffix.lower() in WRITTEN
    if path.suffix.lower() in ROW_TABLES:
        raise InputError(
            where=path.name,
            found="a table of rows",
            expected="figures, reports and manifests",
            cure="track its digest with Tracker.dataset instead",
        )
    if is_written and _A_PATIENT.search(path.read_text(encoding="utf-8", errors="replace")):
        raise InputError(
            where=path.name,
            key="patient_id",
            found="a patient's number",
            expected="nothing of a single patient",
            cure="leave the column out of the file",
        )


def _refuse_names(values: Mapping[str, object], *, what: str) -> None:
    if named := [name for name in values if "patient_id" in name]:
        raise InputError(
            where="tracking",
            key=", ".join(named),
            found=f"a {what} named after a patient",
            expected="figures of a cohort",
            cure="leave it out",
        )


def _embedded(folder: Path) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{(folder / 'mlflow.db').resolve()}"


def _experiment(name: str, *, artifacts: Path | None) -> str:
    """The experiment's id; a new one keeps its files in ``artifacts``, or where the server wants
    them.
    """
    known = mlflow.get_experiment_by_name(name)
    if known is not None:
        return str(known.experiment_id)
    place = None if artifacts is None else artifacts.resolve().as_uri()
    return str(mlflow.create_experiment(name, artifact_location=place))
