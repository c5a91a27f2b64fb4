"""The public names of crsrisk: what `import crsrisk as crs` offers, with their types.

Read by editors and type checkers, and by Python itself: a name is imported from its module when it
is first used (crsrisk/lazy.py). One line a name.
"""

from crsrisk import trials as trials
from crsrisk.data.cohort import Arm as Arm
from crsrisk.data.cohort import Cohort as Cohort
from crsrisk.data.cross_validation import CrossValidation as CrossValidation
from crsrisk.data.cross_validation import cross_validation as cross_validation
from crsrisk.data.explanation import Explanation as Explanation
from crsrisk.data.explanation import Reason as Reason
from crsrisk.data.product import Product as Product
from crsrisk.data.risk_model import Prediction as Prediction
from crsrisk.data.table_reading import TableReading as TableReading
from crsrisk.data.tables import read_patients as read_patients
from crsrisk.data.world import World as World
from crsrisk.data.world import load_world as load_world
from crsrisk.data.world_files import load_product as load_product
from crsrisk.data.world_files import products as products
from crsrisk.errors import CRSRiskError as CRSRiskError
from crsrisk.errors import InputError as InputError
from crsrisk.errors import OutputError as OutputError
from crsrisk.evaluation.benchmark import Benchmark as Benchmark
from crsrisk.evaluation.benchmark import benchmark as benchmark
from crsrisk.evaluation.evaluate import Evaluation as Evaluation
from crsrisk.evaluation.evaluate import evaluate as evaluate
from crsrisk.model.classifier import CRSRiskClassifier as CRSRiskClassifier
from crsrisk.model.comparators import ProductRate as ProductRate
from crsrisk.model.comparators import RidgeLogistic as RidgeLogistic
from crsrisk.model.comparators import SplineLogistic as SplineLogistic
from crsrisk.model.estimator import CRSClassifier as CRSClassifier
from crsrisk.model.features import FeatureChoice as FeatureChoice
from crsrisk.model.features import ModelConfig as ModelConfig
from crsrisk.model.features import load_config as load_config
from crsrisk.model.onset import CRSOnsetEstimator as CRSOnsetEstimator
from crsrisk.model.onset import OnsetModel as OnsetModel
from crsrisk.model.onset_store import load_onset as load_onset
from crsrisk.model.risk_model import RiskModel as RiskModel
from crsrisk.model.store import load_model as load_model
from crsrisk.model.store import save_model as save_model
from crsrisk.report.explanation import PatientExplanation as PatientExplanation
from crsrisk.results import Estimate as Estimate
from crsrisk.results import NotEstimable as NotEstimable
from crsrisk.simulation.cohort import simulate as simulate
from crsrisk.simulation.cohort import stream_cohort as stream_cohort
from crsrisk.simulation.true_risk import TrueRisk as TrueRisk
from crsrisk.simulation.true_risk import true_risk as true_risk
from crsrisk.studies.explain import explain_patient as explain_patient
from crsrisk.studies.forecast import Forecast as Forecast
from crsrisk.studies.forecast import forecast as forecast
from crsrisk.studies.grade import GradedRegistry as GradedRegistry
from crsrisk.studies.grade import grade_registry as grade_registry
from crsrisk.studies.policy import PolicyResult as PolicyResult
from crsrisk.studies.policy import evaluate_policies as evaluate_policies
from crsrisk.studies.table_check import check_table as check_table
from crsrisk.studies.trial import TrialResult as TrialResult
from crsrisk.studies.trial import run_trial as run_trial
from crsrisk.studies.update import update_model as update_model

__version__: str
