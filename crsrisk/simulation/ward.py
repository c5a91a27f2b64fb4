"""Ward: what happens at the bedside once an hour: look, grade, support, rescue, record.

Every decision is a selection between numbers, never a branch, because sixteen patients pass in
lockstep. Random measurement error comes from a hash of (patient's key, tick), so it does not depend
on the order of anything.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crsrisk.biology.compiled import pass_over_lanes, scalar
from crsrisk.biology.grading import astct_grade
from crsrisk.biology.mitigation import effect_site, occupancy
from crsrisk.biology.vitals import mean_arterial_pressure, oxygen_saturation
from crsrisk.simulation.layout import AT, LANES, N_NODES, WARD_H

Workspace = NDArray[np.float64]
_WEYL = np.uint64(0x9E3779B97F4A7C15)  # increments of a Weyl sequence (Steele 2014, SplitMix64)
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_S30, _S27, _S31, _S21, _S42 = (
    np.uint64(30),
    np.uint64(27),
    np.uint64(31),
    np.uint64(21),
    np.uint64(42),
)
_LOW_21 = np.uint64(0x1FFFFF)
# 21 random bits -> uniform with mean 0 (after centring) and variance 1
_UNIT_VARIANCE = 2.0 * 3.0**0.5 / 2.0**21
_CENTRE = 3.0**0.5
NEVER = 1.0e6  # hours: an event that has not happened
NEGLIGIBLE = 1.0e-6  # share of a full effect, or of a usual dose, below which it counts as gone


@pass_over_lanes
def draw_noise(w: Workspace, keys: NDArray[np.uint64], tick: int) -> None:
    """First-order autoregressive measurement error of temperature, MAP and SpO2 (innovations
    uniform, variance 1).
    """
    for i in range(LANES):
        z = keys[i] + _WEYL * np.uint64(tick + 1)
        z = (z ^ (z >> _S30)) * _MIX_1
        z = (z ^ (z >> _S27)) * _MIX_2
        z = z ^ (z >> _S31)
        keep = w[AT.memory + i]
        fresh = np.sqrt(1.0 - keep * keep)
        first = np.float64(np.int64(z & _LOW_21)) * _UNIT_VARIANCE - _CENTRE
        second = np.float64(np.int64((z >> _S21) & _LOW_21)) * _UNIT_VARIANCE - _CENTRE
        third = np.float64(np.int64(z >> _S42 & _LOW_21)) * _UNIT_VARIANCE - _CENTRE
        w[AT.noise_temperature + i] = keep * w[AT.noise_temperature + i] + fresh * first
        w[AT.noise_map + i] = keep * w[AT.noise_map + i] + fresh * second
        w[AT.noise_spo2 + i] = keep * w[AT.noise_spo2 + i] + fresh * third


@scalar
def held(trigger: float, timer: float, hold: float) -> float:
    """Timer of a measure: refilled when triggered, else running down."""
    return hold if trigger > 0.0 else max(timer - WARD_H, 0.0)


@scalar
def on(value: float) -> float:
    """1 when a timer still runs, else 0."""
    return 1.0 if value > 0.0 else 0.0


@scalar
def _following(value: float, target: float, pace: float) -> float:
    """Effect of a measure on its way to its target; what is left of it below a millionth counts as
    gone.
    """
    moved = value + pace * (target - value)
    return moved if moved > NEGLIGIBLE else 0.0


@pass_over_lanes
def observe_signs(w: Workspace) -> float:
    """Measure temperature, MAP and SpO2 where a look is due; more than 0 when any lane needs the
    rest of the visit.

    A lane needs it when it shows fever, has an open episode or is still supported. For any other
    lane `look` and `rescue` change nothing, so that leaving them out is exact and does not depend
    on the neighbours.
    """
    for i in range(LANES):
        leak, water = w[AT.leak + i], w[AT.lung_water + i]
        pressors = w[AT.pressor + i] + w[AT.second_pressor + i]
        pressure = mean_arterial_pressure(
            w[AT.normal_map + i],
            leak,
            w[AT.map_fall + i],
            w[AT.map_half + i],
            w[AT.fluids + i],
            w[AT.fluid_gain + i],
            pressors,
            w[AT.pressor_gain + i],
        )
        saturation_ = oxygen_saturation(
            w[AT.normal_spo2 + i], water, w[AT.spo2_fall + i], w[AT.spo2_half + i]
        )
        # hypoxia of an injured organ: an outcome of its own, and a sign of CRS only in fever and
        # where it is counted
        injured = oxygen_saturation(
            w[AT.normal_spo2 + i],
            w[AT.organ_injury + i],
            w[AT.spo2_fall + i],
            w[AT.spo2_half + i],
        )
        worst = (
            (2.0 if injured < w[AT.low_flow_below + i] else 0.0)
            + (1.0 if injured < w[AT.high_flow_below + i] else 0.0)
            + (1.0 if injured < w[AT.positive_below + i] else 0.0)
        )
        w[AT.organ_grade + i] = max(w[AT.organ_grade + i], worst)
        seen_t = w[AT.temperature + i] + w[AT.sd_temperature + i] * w[AT.noise_temperature + i]
        seen_p = pressure + w[AT.sd_map + i] * w[AT.noise_map + i]
        due = 1.0 if w[AT.to_next_look + i] <= 0.0 else 0.0
        fever = due if seen_t >= w[AT.fever_at + i] else 0.0
        counted = w[AT.organ_counted + i] * fever * (w[AT.normal_spo2 + i] - injured)
        seen_o = saturation_ - counted + w[AT.sd_spo2 + i] * w[AT.noise_spo2 + i]
        is_open = max(w[AT.is_open + i], fever)
        interval = w[AT.look_ill + i] if is_open > 0.0 else w[AT.look_well + i]
        w[AT.to_next_look + i] = (interval if due > 0.0 else w[AT.to_next_look + i]) - WARD_H
        w[AT.seen_map + i], w[AT.seen_spo2 + i], w[AT.due + i], w[AT.fever + i] = (
            seen_p,
            seen_o,
            due,
            fever,
        )
        w[AT.peak_temperature + i] = max(w[AT.peak_temperature + i], seen_t if due > 0.0 else 0.0)
        w[AT.lowest_map + i] = min(w[AT.lowest_map + i], seen_p if due > 0.0 else NEVER)
        w[AT.lowest_spo2 + i] = min(w[AT.lowest_spo2 + i], seen_o if due > 0.0 else NEVER)
    needs = 0.0
    for i in range(LANES):
        support = w[AT.fluids + i] + w[AT.pressor + i] + w[AT.second_pressor + i]
        holds = w[AT.low_flow_hold + i] + w[AT.high_flow_hold + i] + w[AT.positive_hold + i]
        needs += w[AT.is_open + i] + w[AT.fever + i] + w[AT.grade + i] + support + holds
    return needs


@pass_over_lanes
def look(w: Workspace, time_h: float) -> None:
    """Open or close CRS, give support, grade, record; one visit for all lanes, after
    `observe_signs`.
    """
    for i in range(LANES):
        seen_p, seen_o = w[AT.seen_map + i], w[AT.seen_spo2 + i]
        was_open, fever = w[AT.is_open + i], w[AT.fever + i]
        is_open = max(was_open, fever)
        ill = w[AT.due + i] * is_open

        # support
        low_map = max(w[AT.fluids_below + i], w[AT.normal_map + i] - w[AT.fluids_fall + i])
        fluid_hold = held(
            ill if seen_p < low_map else 0.0, w[AT.fluid_hold + i], w[AT.fluid_hold_time + i]
        )
        shocked = ill if seen_p < w[AT.pressor_below + i] else 0.0
        pressor_hold = held(
            shocked if w[AT.fluids + i] > w[AT.fluids_needed + i] else 0.0,
            w[AT.pressor_hold + i],
            w[AT.pressor_hold_time + i],
        )
        second_hold = held(
            shocked if w[AT.pressor + i] > w[AT.pressor_needed + i] else 0.0,
            w[AT.second_hold + i],
            w[AT.pressor_hold_time + i],
        )
        oxygen_time = w[AT.oxygen_hold_time + i]
        low_flow = held(
            ill if seen_o < w[AT.low_flow_below + i] else 0.0, w[AT.low_flow_hold + i], oxygen_time
        )
        high_flow = held(
            ill if seen_o < w[AT.high_flow_below + i] else 0.0,
            w[AT.high_flow_hold + i],
            oxygen_time,
        )
        positive = held(
            ill if seen_o < w[AT.positive_below + i] else 0.0, w[AT.positive_hold + i], oxygen_time
        )
        has_fluids, has_pressor, has_second = on(fluid_hold), on(pressor_hold), on(second_hold)
        pace = w[AT.fluid_onset + i]
        w[AT.fluids + i] = _following(w[AT.fluids + i], has_fluids, pace)
        w[AT.pressor + i] = _following(w[AT.pressor + i], has_pressor, pace)
        w[AT.second_pressor + i] = _following(w[AT.second_pressor + i], has_second, pace)
        w[AT.fluid_hold + i], w[AT.pressor_hold + i], w[AT.second_hold + i] = (
            fluid_hold,
            pressor_hold,
            second_hold,
        )
        w[AT.low_flow_hold + i], w[AT.high_flow_hold + i], w[AT.positive_hold + i] = (
            low_flow,
            high_flow,
            positive,
        )

        grade = astct_grade(
            is_open, has_fluids, on(low_flow), has_pressor, on(high_flow), has_second, on(positive)
        )

        # ASTCT resolution: every sign and all support gone for as long as grading.quiet_needed_h
        # says
        sign = max(fever, 1.0 if grade > 1.5 else 0.0)
        quiet = 0.0 if sign > 0.0 else is_open * (w[AT.quiet + i] + WARD_H)
        last_sign = time_h if sign > 0.0 else w[AT.last_sign + i]
        closes = is_open if quiet >= w[AT.quiet_needed + i] else 0.0
        opens = fever * (1.0 - was_open)
        episodes = w[AT.n_episodes + i] + opens
        w[AT.n_episodes + i] = episodes
        open_from = time_h if opens > 0.0 else w[AT.open_from + i]
        w[AT.open_from + i] = open_from
        ends_first = closes if episodes < 1.5 else 0.0
        w[AT.first_duration + i] = (
            last_sign - open_from if ends_first > 0.0 else w[AT.first_duration + i]
        )
        w[AT.first_resolved + i] = last_sign if ends_first > 0.0 else w[AT.first_resolved + i]
        w[AT.tocilizumab_in_episode + i] *= 1.0 - opens
        w[AT.quiet + i], w[AT.last_sign + i], w[AT.grade + i] = quiet, last_sign, grade
        w[AT.is_open + i] = is_open * (1.0 - closes)

        # how long at which grade
        at_2 = 1.0 if grade > 1.5 else 0.0
        w[AT.time_grade2 + i] = at_2 * (w[AT.time_grade2 + i] + WARD_H)
        still_ill = is_open if quiet < w[AT.look_ill + i] + WARD_H else 0.0
        w[AT.time_grade1 + i] = still_ill * (w[AT.time_grade1 + i] + WARD_H)

        # record
        w[AT.first_1 + i] = min(w[AT.first_1 + i], time_h if grade > 0.5 else NEVER)
        w[AT.first_2 + i] = min(w[AT.first_2 + i], time_h if grade > 1.5 else NEVER)
        w[AT.first_3 + i] = min(w[AT.first_3 + i], time_h if grade > 2.5 else NEVER)
        w[AT.first_4 + i] = min(w[AT.first_4 + i], time_h if grade > 3.5 else NEVER)
        w[AT.max_grade + i] = max(w[AT.max_grade + i], grade)

        # what the other grading systems look at
        fluid_hours = has_fluids * (w[AT.fluid_hours + i] + WARD_H)
        pressor_hours = has_pressor * (w[AT.pressor_hours + i] + WARD_H)
        w[AT.fluid_hours + i], w[AT.pressor_hours + i] = fluid_hours, pressor_hours
        w[AT.longest_fluids_h + i] = max(w[AT.longest_fluids_h + i], fluid_hours)
        w[AT.longest_vasopressor_h + i] = max(w[AT.longest_vasopressor_h + i], pressor_hours)
        w[AT.had_second_vasopressor + i] = max(w[AT.had_second_vasopressor + i], has_second)
        w[AT.had_high_flow + i] = max(w[AT.had_high_flow + i], on(high_flow))
        w[AT.had_positive_pressure + i] = max(w[AT.had_positive_pressure + i], on(positive))
        w[AT.peak_alt + i] = max(w[AT.peak_alt + i], is_open * w[AT.alt + i])
        w[AT.had_fluids + i] = max(w[AT.had_fluids + i], has_fluids)
        w[AT.had_vasopressor + i] = max(w[AT.had_vasopressor + i], has_pressor)
        w[AT.had_oxygen + i] = max(w[AT.had_oxygen + i], on(low_flow))


@pass_over_lanes
def rescue(w: Workspace, time_h: float) -> None:
    """Antipyretic, tocilizumab and steroid as the policy and the patient's draws say; one tick for
    all lanes.
    """
    for i in range(LANES):
        grade, is_open = w[AT.grade + i], w[AT.is_open + i]
        ripe = 1.0 if w[AT.time_grade2 + i] >= w[AT.rescue_delay + i] else 0.0
        tired = 1.0 if w[AT.time_grade1 + i] >= w[AT.grade1_patience + i] else 0.0
        at_2, at_3 = (1.0 if grade > 1.5 else 0.0), (1.0 if grade > 2.5 else 0.0)

        wants = max(
            max(at_3 * w[AT.wants_toci_3 + i], at_2 * ripe * w[AT.wants_toci_2 + i]),
            tired * w[AT.wants_toci_1 + i],
        )
        free = 1.0 if time_h - w[AT.last_tocilizumab + i] >= w[AT.toci_interval + i] else 0.0
        below_cap = 1.0 if w[AT.tocilizumab_in_episode + i] < w[AT.toci_cap + i] else 0.0
        gives = is_open * wants * free * below_cap
        w[AT.amount_0 + i] += gives * w[AT.toci_dose + i]
        w[AT.n_tocilizumab + i] += gives
        w[AT.tocilizumab_in_episode + i] += gives
        w[AT.last_tocilizumab + i] = time_h if gives > 0.0 else w[AT.last_tocilizumab + i]

        wants = max(
            at_2 * max(ripe, at_3) * w[AT.wants_steroid_2 + i], tired * w[AT.wants_steroid_1 + i]
        )
        wait = w[AT.steroid_interval_3 + i] if at_3 > 0.0 else w[AT.steroid_interval + i]
        gives = is_open * wants * (1.0 if time_h - w[AT.last_steroid + i] >= wait else 0.0)
        w[AT.amount_1 + i] += gives * w[AT.steroid_dose + i]
        w[AT.n_steroid + i] += gives
        w[AT.last_steroid + i] = time_h if gives > 0.0 else w[AT.last_steroid + i]

        febrile = is_open if w[AT.quiet + i] <= 0.0 else 0.0
        gives = (
            febrile
            * w[AT.wants_antipyretic + i]
            * (
                1.0
                if time_h - w[AT.last_antipyretic + i] >= w[AT.antipyretic_interval + i]
                else 0.0
            )
        )
        w[AT.amount_2 + i] += gives
        w[AT.last_antipyretic + i] = time_h if gives > 0.0 else w[AT.last_antipyretic + i]


@pass_over_lanes
def _slot_decays(w: Workspace, slot: int) -> float:
    """One hour of an agent: elimination and transfer to the effect site; more than 0 while any lane
    holds some.
    """
    left = 0.0
    for i in range(LANES):
        left += w[AT.amount_0 + slot + i] + w[AT.at_site_0 + slot + i]
    if left > 0.0:
        for i in range(LANES):
            amount = w[AT.amount_0 + slot + i] * w[AT.keep_0 + slot + i]
            site = effect_site(amount, w[AT.at_site_0 + slot + i], w[AT.transfer_0 + slot + i])
            w[AT.amount_0 + slot + i] = amount if amount > NEGLIGIBLE else 0.0
            w[AT.at_site_0 + slot + i] = site = site if site > NEGLIGIBLE else 0.0
            w[AT.half_effect_now + i] = occupancy(site, w[AT.half_0 + slot + i])
    return left


@pass_over_lanes
def agents_act(w: Workspace, pairs: NDArray[np.int64], effect: Workspace) -> None:
    """Decay of the agents, transfer to the effect site, and the joint block of every node they act
    on.

    ``pairs`` lists (slot, node) with an effect in this arm, so that nothing is computed for agents
    not in use; ``effect`` is room for one row (a separate array, so that the compiler may
    vectorise).
    """
    for p in range(pairs.shape[0]):
        node = pairs[p, 1] * LANES
        for i in range(LANES):
            w[AT.block_t_cell_activation + node + i] = 0.0
    previous, left = -1, 0.0
    for p in range(pairs.shape[0]):
        if pairs[p, 0] != previous:
            previous = pairs[p, 0]
            left = _slot_decays(w, previous * LANES)
        if left > 0.0:
            node = pairs[p, 1] * LANES
            emax = AT.emax_0_0 + previous * N_NODES * LANES + node
            for i in range(LANES):
                effect[i] = w[emax + i] * w[AT.half_effect_now + i]
            for i in range(LANES):
                others = w[AT.block_t_cell_activation + node + i]
                w[AT.block_t_cell_activation + node + i] = others + (1.0 - others) * effect[i]


@pass_over_lanes
def track_peaks(w: Workspace) -> None:
    """Running extremes of what a paper or a registry reports."""
    for i in range(LANES):
        w[AT.peak_il6 + i] = max(w[AT.peak_il6 + i], w[AT.il6 + i])
        w[AT.peak_crp + i] = max(w[AT.peak_crp + i], w[AT.crp + i])
        w[AT.peak_ferritin + i] = max(w[AT.peak_ferritin + i], w[AT.ferritin + i])
        w[AT.peak_active + i] = max(w[AT.peak_active + i], w[AT.active + i])
        w[AT.peak_tnf + i] = max(w[AT.peak_tnf + i], w[AT.tnf + i])
        w[AT.peak_interferon + i] = max(w[AT.peak_interferon + i], w[AT.interferon + i])
        w[AT.peak_cells + i] = max(w[AT.peak_cells + i], w[AT.cells + i])
