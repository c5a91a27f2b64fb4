"""Emulator: it finds a quadratic, says how wrong it is, and a later wave corrects it where that wave lies."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from crsrisk.belief.constants import Constant
from crsrisk.belief.design import Simulated, Target, latin_hypercube, link
from crsrisk.belief.emulator import emulate, fit_emulators, relevant, slopes_of
from crsrisk.errors import InputError
from crsrisk.read.published import load_trials

Values = NDArray[np.float64]
_TARGET = next(Target(figure, trial) for trial in load_trials(role="calibration") for figure in trial.rows
               if figure.id == "E030")
_CONSTANTS = [Constant(f"assumption:a.b{k}", 1.0, 0.5, 0.1, 10.0) for k in range(8)] + [
    Constant(f"product:{name}.binding.tumour_affinity_nm", 1.0, 0.5, 0.1, 10.0) for name in ("tarlatamab", "tebentafusp")]


def _wave(scores: Values, truth: Values, *, noise: float = 0.0) -> Simulated:
    rng = np.random.default_rng(1)
    values = truth + noise * rng.standard_normal(len(truth))
    return Simulated(scores, values[:, None], np.full((len(scores), 1), 1e9 if noise == 0.0 else 1e4))


def _quadratic(z: Values) -> Values:
    return np.asarray(0.3 + z[:, 0] - 0.5 * z[:, 1] + 0.4 * z[:, 0] * z[:, 2] + 0.2 * z[:, 3] ** 2 + 0.3 * z[:, 8])


def test_a_quadratic_is_learnt() -> None:
    scores = latin_hypercube(400, len(_CONSTANTS), seed=1)
    emulators = fit_emulators(_wave(scores, _quadratic(scores)), targets=[_TARGET], constants=_CONSTANTS)
    fresh = latin_hypercube(200, len(_CONSTANTS), seed=2)
    found, error = emulate(emulators, fresh)
    assert emulators[0].explained > 0.99
    assert np.sqrt(np.mean((found[:, 0] - _quadratic(fresh)) ** 2)) < 0.1
    assert error.shape == (1, 1)


def test_the_error_it_states_is_the_error_it_makes() -> None:
    """A cubic is beyond it: the cross-validated error agrees with that on fresh points within a fifth."""
    def cubic(z: Values) -> Values:
        return np.asarray(_quadratic(z) + 0.3 * z[:, 4] ** 3)

    scores, fresh = latin_hypercube(500, len(_CONSTANTS), seed=1), latin_hypercube(4000, len(_CONSTANTS), seed=3)
    emulators = fit_emulators(_wave(scores, cubic(scores)), targets=[_TARGET], constants=_CONSTANTS)
    made = float(np.sqrt(np.mean((emulate(emulators, fresh)[0][:, 0] - cubic(fresh)) ** 2)))
    assert emulators[0].error == pytest.approx(made, rel=0.2)


def test_a_later_wave_corrects_where_it_lies() -> None:
    def steep(z: Values) -> Values:
        return np.asarray(np.sinh(1.2 * z[:, 0]) + z[:, 1])

    first = latin_hypercube(300, len(_CONSTANTS), seed=1)
    before = fit_emulators(_wave(first, steep(first)), targets=[_TARGET], constants=_CONSTANTS)
    near = latin_hypercube(300, len(_CONSTANTS), seed=2)
    near[:, 0] = 1.5 + 0.3 * near[:, 0]
    after = fit_emulators(_wave(near, steep(near)), targets=[_TARGET], constants=_CONSTANTS, before=before)
    fresh = latin_hypercube(500, len(_CONSTANTS), seed=3)
    fresh[:, 0] = 1.5 + 0.3 * fresh[:, 0]
    wrong = [np.abs(emulate(found, fresh)[0][:, 0] - steep(fresh)).mean() for found in (before, after)]
    assert wrong[1] < 0.3 * wrong[0]


def test_a_figure_depends_on_its_own_product_only() -> None:
    assert relevant(_TARGET, _CONSTANTS).tolist() == [*range(8), 8]


def test_too_few_worlds_are_refused() -> None:
    scores = latin_hypercube(10, len(_CONSTANTS), seed=1)
    with pytest.raises(InputError, match="E030"):
        fit_emulators(_wave(scores, _quadratic(scores)), targets=[_TARGET], constants=_CONSTANTS)


def test_link() -> None:
    assert link(0.5, is_rate=True, n=99.0) == 0.0
    assert np.isfinite(link(0.0, is_rate=True, n=50.0))
    assert link(np.e, is_rate=False, n=5.0) == pytest.approx(1.0)
    assert np.isnan(link(float("nan"), is_rate=True, n=50.0))


def test_slopes_are_those_of_the_surface() -> None:
    """Against central differences, after a correction too."""
    scores = latin_hypercube(300, len(_CONSTANTS), seed=1)
    before = fit_emulators(_wave(scores, _quadratic(scores)), targets=[_TARGET], constants=_CONSTANTS)
    near = 1.0 + 0.3 * latin_hypercube(100, len(_CONSTANTS), seed=2)
    emulators = fit_emulators(_wave(near, _quadratic(near) + 0.1 * near[:, 4] * near[:, 5]), targets=[_TARGET],
                              constants=_CONSTANTS, before=before)
    here = near[:5]
    found = slopes_of(emulators, here)
    for k in range(len(_CONSTANTS)):
        step = 1e-4 * np.eye(len(_CONSTANTS))[k]
        difference = (emulate(emulators, here + step)[0] - emulate(emulators, here - step)[0]) / 2e-4
        assert found[:, :, k] == pytest.approx(difference, abs=1e-6)
