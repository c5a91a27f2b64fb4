"""Served model: the file that MLflow stores with a model and runs to load it (models from code).

It says nothing itself. What a request is answered is decided by the installed package, from the
model folder that was stored beside it: as ``crsrisk predict`` answers a table.
"""

from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from crsrisk.model.store import load_model
from crsrisk.studies.serving import answer


class ServedModel(PythonModel):
    """Clinical columns in; risk, status and reasons out."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the model folder, checked as ever."""
        self.model = load_model(context.artifacts["risk_model"])

    def predict(
        self,
        context: PythonModelContext,
        model_input: pd.DataFrame,  # or rows, or columns by name: MLflow takes this hint for all
        params: dict[str, Any] | None = None,
    ) -> pd.DataFrame:
        """One row a row of the request."""
        return answer(self.model, model_input, **(params or {}))


set_model(ServedModel())
