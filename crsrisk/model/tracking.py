"""Track: what was done and what came out, in MLflow. The only module that imports mlflow.

By default an sqlite file and the artifacts beside it, in one folder; any tracking server through
the environment variable MLFLOW_TRACKING_URI. Nothing of a single patient goes in: no table of rows,
no patient number, and the model's input example is made from the contract, not taken from the
cohort.
"""

from __future__ import annotations

import logging
import os
import re
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version as version_of
from pathlib import Path
from unittest.mock import patch

import pandas as pd

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
    import mlflow.lightgbm
    import mlflow.store.tracking.sqlalchemy_store
    from mlflow.data.code_dataset_source import CodeDatasetSource
    from mlflow.data.dataset import Dataset
    from mlflow.data.meta_dataset import MetaDataset
    from mlflow.models import ModelSignature
    from mlflow.types.schema import ColSpec, Schema

from crsrisk.data.risk_model import NOTICE, Column
from crsrisk.errors import InputError
from crsrisk.model.booster import calibrated_booster
from crsrisk.model.features import build_features
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
_LIBRARIES = ("lightgbm", "numpy", "pandas")
_DIGEST = 36  # characters of a data set's digest that MLflow takes
_LIMIT = 500  # characters of a parameter: MLflow's oldest servers take no more
_CHATTY = ("alembic", "mlflow.store.db.utils", "mlflow.models.model")


@dataclass(frozen=True, kw_only=True)
class Tracker:
    """One open run. Every method adds to it; nothing is returned but links.

    ``uri`` is the tracking address, ``experiment_id`` and ``run_id`` MLflow's names of experiment
    and run.
    """

    uri: str
    experiment_id: str
    run_id: str

    @property
    def how_to_open(self) -> str:
        """The command that shows the runs in a browser."""
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

    def dataset(self, *, name: str, digest: str, context: str) -> None:
        """That a table was used: name and digest, no column, no row. ``context``: training,
        evaluation.
        """
        source = CodeDatasetSource(tags={"made_by": "crsrisk simulate", "data_are": "synthetic"})
        used: Dataset = MetaDataset(source, name=name, digest=digest[:_DIGEST])  # type: ignore[abstract]
        mlflow.log_input(used, context=context)

    def file(self, path: Path, *, under: str | None = None) -> None:
        """A figure, report or manifest; :class:`InputError` for a table of rows or a patient's
        number.
        """
        refuse_patients(path)
        mlflow.log_artifact(str(path), artifact_path=under, run_id=self.run_id)

    def model(self, model: RiskModel) -> str:
        """The model, in two forms; returns MLflow's address of the first.

        As MLflow's LightGBM flavour, without pickle: the calibrated trees, whose prediction is the
        risk. Its input are the features of the contract as doubles; a value that was never missing
        in training must be given (the contract's `fill` says which, and what stands in for it). And
        the whole model folder under `risk_model`, from which ``crsrisk.model.store.load_model``
        gives the model with its contract.
        """
        inputs = Schema([ColSpec("double", name) for name in model.contract.feature_names])
        with warnings.catch_warnings():  # mlflow's own, about newer pandas
            warnings.simplefilter("ignore", DeprecationWarning)
            logged = mlflow.lightgbm.log_model(
                calibrated_booster(model.booster_text, model.calibrator),
                name="model",
                input_example=example_row(model),
                signature=ModelSignature(inputs=inputs, outputs=Schema([ColSpec("double")])),
                pip_requirements=[f"{library}=={version_of(library)}" for library in _LIBRARIES],
                metadata={
                    "model": model.label,
                    "outcome": model.contract.outcome,
                    "notice": NOTICE,
                },
            )
        with tempfile.TemporaryDirectory() as place:
            folder = save_model(model, Path(place) / "risk_model")
            mlflow.log_artifacts(str(folder), artifact_path="risk_model", run_id=self.run_id)
        return str(logged.model_uri)


@contextmanager
def _in_silence() -> Iterator[None]:
    """Only errors of mlflow's own loggers are told; afterwards they say as much as before."""
    levels = {name: logging.getLogger(name).level for name in _CHATTY}
    for name in levels:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


@contextmanager
def tracking(*, folder: str | Path, experiment: str, run: str) -> Iterator[Tracker]:
    """Open the parent run of an experiment; at the end the tracking address is what it was before.

    ``folder`` holds mlflow.db and artifacts/, unless MLFLOW_TRACKING_URI names a server.
    """
    given = os.environ.get(ENVIRONMENT)  # mlflow writes there what it is told, for child processes
    uri = given or _embedded(Path(folder))
    artifacts = None if given else Path(folder) / "artifacts"
    with _in_silence():
        mlflow.set_tracking_uri(uri)
        try:
            identity = _experiment(experiment, artifacts=artifacts)
            with mlflow.start_run(
                experiment_id=identity, run_name=run, description=NOTICE
            ) as opened:
                yield Tracker(uri=uri, experiment_id=identity, run_id=opened.info.run_id)
        finally:
            # None: as if it had never been set
            mlflow.set_tracking_uri(given)  # type: ignore[arg-type]


def example_row(model: RiskModel) -> pd.DataFrame:
    """One made-up row of features, from the contract: middles of ranges, no condition, the first
    product.
    """
    observed = pd.DataFrame({column.name: [_made_up(column)] for column in model.contract.columns})
    return build_features(observed, names=model.contract.feature_names)


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


def _made_up(column: Column) -> float | str | bool:
    if column.kind == "word":
        return column.levels[0] if column.levels else ""
    if column.kind == "flag":
        return False
    low, high = column.trained or column.possible or (0.0, 1.0)
    return float(f"{(low + high) / 2:.2g}")


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
