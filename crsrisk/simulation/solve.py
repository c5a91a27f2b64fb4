"""Solve: the explicit wiring of the biology, compiled to step sixteen patients in lockstep.

Runge-Kutta of order three (Bogacki and Shampine 1989) with a step of half an hour, a quarter after
an infusion and half of that in its first half hour: a fourth stage buys nothing here, because
desensitisation has a corner. All stages stay in registers and the inner loop runs over the lanes of
one flat workspace, so that the compiler turns patients into vector elements. No branch differs
between lanes. Once an hour the ward looks at the patient (`ward.py`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from crsrisk.biology.acute_phase import alt_rate, crp_rate, ferritin_rate
from crsrisk.biology.cascade import (
    free_il6,
    il6_rate,
    myeloid_drive,
    myeloid_rate,
    tolerance_rate,
    two_source_rate,
)
from crsrisk.biology.compiled import kernel, pass_over_lanes, scalar
from crsrisk.biology.engagement import (
    activation_rate,
    bridges,
    desensitisation_rate,
    engagement,
    saturations,
)
from crsrisk.biology.exposure import central_rate, depot_rate, expansion_rate, peripheral_rate
from crsrisk.biology.vitals import (
    leak_rate,
    lung_water_rate,
    organ_injury_rate,
    temperature_rate,
)
from crsrisk.simulation.layout import (
    AT,
    FIRST_PARAMETER,
    LANES,
    N_OCCASIONS,
    N_ROWS,
    N_SLOTS,
    ROW,
    SNAPSHOT,
    TICK_H,
    TRACE,
    TRACKS,
    WARD_TICKS,
)
from crsrisk.simulation.ward import (
    NEVER,
    agents_act,
    draw_noise,
    look,
    observe_signs,
    rescue,
    track_peaks,
)

Workspace = NDArray[np.float64]


@scalar
def rates(y: Any, w: Workspace, i: int) -> Any:
    """Right-hand side for the patient in lane ``i``: the wiring of the whole mechanism, in plain
    sight.
    """
    (
        depot,
        central,
        peripheral,
        cells,
        active,
        desensitised,
        slowly_desensitised,
        tnf,
        interferon,
        il1,
        il6,
        il10,
        myeloid,
        tolerance,
        crp,
        ferritin,
        alt,
        leak,
        lung_water,
        temperature,
        organ_injury,
    ) = y

    # drug or cells at the tumour and in normal tissue -> engagement not yet met -> active T cells
    arriving = w[AT.absorption + i] * depot * (1.0 - w[AT.soluble + i])
    tissue = w[AT.concentration + i] * peripheral
    in_tumour = w[AT.share_active_tumour + i] * tissue
    in_normal = w[AT.share_active_normal + i] * tissue
    tumour, normal, fc = bridges(
        in_tumour,
        in_normal,
        w[AT.tumour_affinity + i],
        w[AT.normal_affinity + i],
        w[AT.cd3_affinity + i],
        w[AT.limit_tumour + i],
        w[AT.limit_normal + i],
        w[AT.cross_tumour + i],
        w[AT.cross_normal + i],
        w[AT.deep_access + i],
        w[AT.deep_share + i],
        w[AT.fc_half + i],
        w[AT.soluble + i],
    )
    load = w[AT.load_tumour + i] * tumour + w[AT.load_normal + i] * normal + w[AT.load_fc + i] * fc
    stimulus, engaged = engagement(w[AT.occasion + i] * load, cells, w[AT.cells_half + i])
    slow_share = w[AT.slow_share + i]
    excess, slow_excess = (
        (1.0 - slow_share) * engaged - desensitised,
        slow_share * engaged - slowly_desensitised,
    )
    fresh, slow_fresh = max(excess, 0.0), max(slow_excess, 0.0)

    # signals after blockade
    jak_open = 1.0 - w[AT.block_jak_signal + i]
    tnf_signal, ifn_signal, il1_signal = saturations(
        (1.0 - w[AT.block_tnf_free + i]) * tnf,
        w[AT.half_tnf + i],
        (1.0 - w[AT.block_ifn_gamma_free + i]) * interferon,
        w[AT.half_ifn + i],
        il1,
        w[AT.half_il1 + i],
    )
    signal, gm_signal, il10_signal = saturations(
        free_il6(il6, w[AT.block_il6_receptor + i], w[AT.block_il6_free + i]),
        w[AT.half_il6 + i],
        active,
        w[AT.half_gm + i],
        il10,
        w[AT.half_il10 + i],
    )
    ifn_signal = jak_open * ifn_signal
    il1_signal = (1.0 - w[AT.block_il1_signal + i]) * il1_signal
    gm_signal = jak_open * (1.0 - w[AT.block_gm_csf_signal + i]) * gm_signal
    signal = jak_open * signal
    signal_above = max(signal - w[AT.signal_at_rest + i], 0.0)

    # cascade
    making = myeloid * (1.0 - w[AT.block_myeloid_activation + i])
    answer = (1.0 - w[AT.tolerance_strength + i] * tolerance) * (
        1.0 - w[AT.block_myeloid_activation + i]
    )
    drive = (
        w[AT.gain_m + i]
        * answer
        * myeloid_drive(
            tnf_signal,
            ifn_signal,
            gm_signal,
            il1_signal,
            active,
            w[AT.w_tnf + i],
            w[AT.w_ifn + i],
            w[AT.w_gm + i],
            w[AT.w_il1 + i],
            w[AT.w_damage + i],
        )
    )
    damping = w[AT.il10_strength + i] * il10_signal
    wash = w[AT.apheresis + i] * w[AT.block_cytokine_clearance + i]
    leak_drive = (
        w[AT.leak_il6 + i] * signal_above
        + w[AT.leak_tnf + i] * tnf_signal
        + w[AT.leak_il1 + i] * il1_signal
        + w[AT.leak_ifn + i] * ifn_signal
        + w[AT.leak_il2 + i] * w[AT.interleukin_2 + i]
    )
    pyrogen = (
        w[AT.pyrogen_il6 + i] * signal_above
        + w[AT.pyrogen_il1 + i] * il1_signal
        + w[AT.pyrogen_tnf + i] * tnf_signal
        + w[AT.pyrogen_il2 + i] * w[AT.interleukin_2 + i]
    )

    return (
        depot_rate(depot, w[AT.absorption + i]),
        central_rate(
            depot,
            central,
            peripheral,
            w[AT.infusion + i],
            w[AT.absorption + i],
            w[AT.bioavailability + i],
            w[AT.elimination + i],
            w[AT.to_peripheral + i],
            w[AT.to_central + i],
        ),
        peripheral_rate(central, peripheral, w[AT.to_peripheral + i], w[AT.to_central + i]),
        expansion_rate(
            cells,
            arriving,
            stimulus,
            w[AT.growth + i],
            w[AT.crowding + i],
            w[AT.contraction + i],
            w[AT.kill_rate + i] * w[AT.block_cell_kill + i],
            w[AT.growth_by_il2 + i] * w[AT.interleukin_2 + i],
        ),
        activation_rate(
            active,
            fresh + slow_fresh,
            w[AT.gain_t + i] * (1.0 + w[AT.gain_by_il2 + i] * w[AT.interleukin_2 + i]),
            w[AT.block_t_cell_activation + i],
            w[AT.decay_t + i],
        ),
        desensitisation_rate(excess, fresh, w[AT.adaptation + i], w[AT.recovery + i]),
        desensitisation_rate(
            slow_excess, slow_fresh, w[AT.slow_adaptation + i], w[AT.recovery + i]
        ),
        two_source_rate(
            tnf,
            active,
            w[AT.tnf_from_t + i],
            making,
            w[AT.tnf_from_m + i],
            w[AT.tnf_clearance + i] + wash,
        ),
        two_source_rate(
            interferon,
            active,
            w[AT.ifn_from_t + i],
            making,
            w[AT.ifn_from_m + i],
            w[AT.ifn_clearance + i] + wash,
        ),
        two_source_rate(
            il1, making, w[AT.il1_from_m + i], 0.0, 0.0, w[AT.il1_clearance + i] + wash
        ),
        il6_rate(
            il6,
            w[AT.il6_basal + i],
            w[AT.il6_from_m + i],
            making,
            il1_signal,
            tnf_signal,
            leak,
            w[AT.il6_by_il1 + i],
            w[AT.il6_by_tnf + i],
            w[AT.il6_by_leak + i],
            w[AT.il6_clearance + i] + wash,
            w[AT.il6_receptor_clearance + i],
            w[AT.block_il6_receptor + i],
        ),
        two_source_rate(
            il10,
            active,
            w[AT.il10_from_t + i],
            making,
            w[AT.il10_from_m + i],
            w[AT.il10_clearance + i],
        ),
        myeloid_rate(myeloid, drive, damping, w[AT.myeloid_on + i], w[AT.myeloid_off + i]),
        tolerance_rate(tolerance, myeloid, w[AT.tolerance_on + i], w[AT.tolerance_off + i]),
        crp_rate(
            crp,
            w[AT.crp_per_signal + i],
            signal,
            signal_above,
            w[AT.crp_maximum + i],
            w[AT.crp_turnover + i],
        ),
        ferritin_rate(
            ferritin,
            w[AT.ferritin_baseline + i],
            myeloid,
            ifn_signal,
            w[AT.ferritin_gain + i],
            w[AT.ferritin_turnover + i],
        ),
        alt_rate(
            alt,
            w[AT.alt_baseline + i],
            myeloid,
            ifn_signal,
            w[AT.alt_gain + i],
            w[AT.alt_turnover + i],
        ),
        leak_rate(
            leak, leak_drive, w[AT.block_endothelium + i], w[AT.leak_on + i], w[AT.leak_off + i]
        ),
        lung_water_rate(lung_water, leak, w[AT.lung_turnover + i]),
        temperature_rate(
            temperature,
            w[AT.normal_temperature + i],
            pyrogen,
            w[AT.pyrogen_half + i],
            w[AT.fever_rise + i],
            w[AT.block_temperature + i],
            w[AT.temperature_turnover + i],
        ),
        organ_injury_rate(
            organ_injury,
            w[AT.organ_drive + i] * active * normal,
            w[AT.block_endothelium + i],
            w[AT.organ_on + i],
            w[AT.organ_off + i],
        ),
    )


@scalar
def moved(y: Any, k: Any, h: float) -> Any:
    """State after moving along slope ``k`` for time ``h``."""
    return (
        y[0] + h * k[0],
        y[1] + h * k[1],
        y[2] + h * k[2],
        y[3] + h * k[3],
        y[4] + h * k[4],
        y[5] + h * k[5],
        y[6] + h * k[6],
        y[7] + h * k[7],
        y[8] + h * k[8],
        y[9] + h * k[9],
        y[10] + h * k[10],
        y[11] + h * k[11],
        y[12] + h * k[12],
        y[13] + h * k[13],
        y[14] + h * k[14],
        y[15] + h * k[15],
        y[16] + h * k[16],
        y[17] + h * k[17],
        y[18] + h * k[18],
        y[19] + h * k[19],
        y[20] + h * k[20],
    )


@scalar
def load_state(w: Workspace, i: int) -> Any:
    """The twenty-one states of lane ``i``."""
    return (
        w[AT.depot + i],
        w[AT.central + i],
        w[AT.peripheral + i],
        w[AT.cells + i],
        w[AT.active + i],
        w[AT.desensitised + i],
        w[AT.slowly_desensitised + i],
        w[AT.tnf + i],
        w[AT.interferon + i],
        w[AT.il1 + i],
        w[AT.il6 + i],
        w[AT.il10 + i],
        w[AT.myeloid + i],
        w[AT.tolerance + i],
        w[AT.crp + i],
        w[AT.ferritin + i],
        w[AT.alt + i],
        w[AT.leak + i],
        w[AT.lung_water + i],
        w[AT.temperature + i],
        w[AT.organ_injury + i],
    )


@scalar
def store_state(w: Workspace, i: int, y: Any) -> None:
    """Write the twenty-one states of lane ``i`` back."""
    w[AT.depot + i] = y[0]
    w[AT.central + i] = y[1]
    w[AT.peripheral + i] = y[2]
    w[AT.cells + i] = y[3]
    w[AT.active + i] = y[4]
    w[AT.desensitised + i] = y[5]
    w[AT.slowly_desensitised + i] = y[6]
    w[AT.tnf + i] = y[7]
    w[AT.interferon + i] = y[8]
    w[AT.il1 + i] = y[9]
    w[AT.il6 + i] = y[10]
    w[AT.il10 + i] = y[11]
    w[AT.myeloid + i] = y[12]
    w[AT.tolerance + i] = y[13]
    w[AT.crp + i] = y[14]
    w[AT.ferritin + i] = y[15]
    w[AT.alt + i] = y[16]
    w[AT.leak + i] = y[17]
    w[AT.lung_water + i] = y[18]
    w[AT.temperature + i] = y[19]
    w[AT.organ_injury + i] = y[20]


@pass_over_lanes
def step(w: Workspace, h: float) -> None:
    """Advance all lanes by ``h`` hours with the inputs held."""
    for i in range(LANES):
        y = load_state(w, i)
        k1 = rates(y, w, i)
        k2 = rates(moved(y, k1, 0.5 * h), w, i)
        k3 = rates(moved(y, k2, 0.75 * h), w, i)
        y = moved(moved(moved(y, k1, h * (2.0 / 9.0)), k2, h / 3.0), k3, h * (4.0 / 9.0))
        store_state(w, i, y)


_TRACK_ROWS = np.array([ROW[name] for name in TRACKS])
_SNAPSHOT_ROWS = np.array([ROW[name] for name in SNAPSHOT])
_TRACE_ROWS = np.array([ROW[name] for name in TRACE])


@pass_over_lanes
def begin(w: Workspace, parameters: NDArray[np.float64], first: int) -> None:
    """Fill the workspace of sixteen patients: parameters, states at rest, nothing given yet."""
    w[:] = 0.0
    for k in range(parameters.shape[0]):
        for i in range(LANES):
            w[(FIRST_PARAMETER + k) * LANES + i] = parameters[k, first + i]
    for i in range(LANES):
        w[AT.cells + i] = w[AT.cells_start + i]
        w[AT.il6 + i] = w[AT.il6_basal + i] / (
            w[AT.il6_clearance + i] + w[AT.il6_receptor_clearance + i]
        )
        w[AT.crp + i] = w[AT.crp_per_signal + i] * w[AT.signal_at_rest + i]
        w[AT.ferritin + i] = w[AT.ferritin_baseline + i]
        w[AT.alt + i] = w[AT.alt_baseline + i]
        w[AT.temperature + i] = w[AT.normal_temperature + i]
        w[AT.occasion + i] = 1.0
        w[AT.first_1 + i] = w[AT.first_2 + i] = w[AT.first_3 + i] = w[AT.first_4 + i] = NEVER
        w[AT.lowest_map + i] = w[AT.lowest_spo2 + i] = NEVER
        w[AT.first_duration + i] = w[AT.first_resolved + i] = NEVER
        w[AT.last_tocilizumab + i] = w[AT.last_steroid + i] = w[AT.last_antipyretic + i] = -NEVER


@pass_over_lanes
def give(
    w: Workspace,
    infusion: float,
    depot: float,
    interleukin_2: float,
    number: int,
    slots: NDArray[np.float64],
    time_h: float,
) -> None:
    """What the schedule brings at this tick: drug, cells, IL-2, agents; a new dose is a new
    occasion.
    """
    occasion = min(max(number, 1), N_OCCASIONS) - 1
    scale = AT.dose_scale if number < 2 else AT.later_dose_scale
    for i in range(LANES):
        w[AT.infusion + i] = infusion * w[scale + i]
        w[AT.depot + i] += depot * w[scale + i]
        w[AT.interleukin_2 + i] = w[AT.interleukin_2 + i] * w[AT.il2_turnover + i] + interleukin_2
        w[AT.occasion + i] = w[AT.occasion_1 + occasion * LANES + i]
        w[AT.amount_0 + i] += slots[0] * w[AT.toci_dose + i]
        # prophylaxis counts too
        w[AT.last_tocilizumab + i] = time_h if slots[0] > 0.0 else w[AT.last_tocilizumab + i]
    for slot in range(1, N_SLOTS):
        for i in range(LANES):
            w[AT.amount_0 + slot * LANES + i] += slots[slot]


@pass_over_lanes
def _visit(w: Workspace, keys: NDArray[np.uint64], since_dose: int, number: int) -> None:
    """The ward's hour: noise of this look, the look, the worst grade since the last dose,
    rescue.
    """
    time_h = since_dose * TICK_H
    draw_noise(w, keys, since_dose)
    if observe_signs(w) > 0.0:
        look(w, time_h)
        track = AT.grade_dose_1 + (min(max(number, 1), 4) - 1) * LANES
        for i in range(LANES):
            w[track + i] = max(w[track + i], w[AT.grade + i])
        rescue(w, time_h)


@pass_over_lanes
def _copy_rows(
    w: Workspace, rows: NDArray[np.int64], target: NDArray[np.float64], start: int
) -> None:
    """Write some rows of the workspace to ``target`` (quantity, patient)."""
    for q in range(rows.shape[0]):
        for i in range(LANES):
            target[q, start + i] = w[rows[q] * LANES + i]


@kernel(error_model="numpy")
def run_patients(
    parameters: NDArray[np.float64],
    keys: NDArray[np.uint64],
    infusion: NDArray[np.float64],
    depot: NDArray[np.float64],
    interleukin_2: NDArray[np.float64],
    dose_number: NDArray[np.int64],
    slots: NDArray[np.float64],
    pairs: NDArray[np.int64],
    snapshot_ticks: NDArray[np.int64],
    lead: int,
    pieces: NDArray[np.int64],
    has_support: bool,
    first: int,
    stop: int,
    tracks: NDArray[np.float64],
    snapshots: NDArray[np.float64],
    traces: NDArray[np.float64],
) -> None:
    """Simulate patients ``first`` to ``stop`` (a multiple of sixteen apart) of one arm over all
    ticks.

    ``parameters`` (parameter, patient); schedules by tick; results land in ``tracks`` (track,
    patient), ``snapshots`` (time, quantity, patient) and, unless it is empty, ``traces`` (tick,
    quantity, patient). The first ``lead`` ticks come before the first dose: premedication works,
    nobody looks yet.
    """
    w, effect = np.empty(N_ROWS * LANES), np.empty(LANES)
    for start in range(first, stop, LANES):
        begin(w, parameters, start)
        lane_keys = keys[start : start + LANES]
        shot = 0
        for tick in range(infusion.shape[0]):
            time_h = (tick - lead) * TICK_H
            give(
                w,
                infusion[tick],
                depot[tick],
                interleukin_2[tick],
                dose_number[tick],
                slots[tick],
                time_h,
            )
            if (tick - lead) % WARD_TICKS == 0:
                if has_support and tick >= lead:
                    _visit(w, lane_keys, tick - lead, dose_number[tick])
                agents_act(w, pairs, effect)
            if shot < snapshot_ticks.shape[0] and snapshot_ticks[shot] == tick:
                _copy_rows(w, _SNAPSHOT_ROWS, snapshots[shot], start)
                shot += 1
            if traces.shape[0] > 0:
                _copy_rows(w, _TRACE_ROWS, traces[tick], start)
            for _ in range(pieces[tick]):
                step(w, TICK_H / pieces[tick])
                track_peaks(w)
        _copy_rows(w, _TRACK_ROWS, tracks, start)
