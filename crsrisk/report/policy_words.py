"""Prophylaxis in words: the paragraph that is read aloud, what would overturn it, and what to
measure first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from crsrisk.wording import MISSING, listed, number

Results = Mapping[str, Any]
WORLD_WORDS = {"no_link": "no link", "common_cause": "a common cause", "mediation": "mediation"}
_MANY = 1000.0
_SMALL = 0.05  # events of CRS in 100 patients: below it nothing is worth saying


def amount(value: float | None, *, digits: int = 1) -> str:
    """A figure for 100 patients."""
    return number(value, digits=digits)


def spread(found: Mapping[str, Any], *, factor: float = 1.0, digits: int = 1) -> str:
    """A figure with its interval; an end without a number is said to be open."""
    if found["value"] is None and found["low"] is None:
        return "none"
    value, low, high = (
        None if found[key] is None else factor * found[key] for key in ("value", "low", "high")
    )
    middle, *ends = (
        number(end, digits=digits) if end is not None else "none" for end in (value, low, high)
    )
    is_bare = (low is None and high is None) or middle == ends[0] == ends[1]
    return middle if is_bare else f"{middle} ({ends[0]} to {ends[1]})"


def format_change(found: Mapping[str, Any], more: str, fewer: str) -> str:
    """A change that may go either way, without a minus sign that nobody can speak.

    >>> format_change({"value": -0.3, "low": -0.4, "high": -0.2}, "adds", "spares")
    'spares 0.3 (0.2 to 0.4)'
    """
    if found["value"] is None or found["value"] >= 0.0:
        return f"{more} {spread(found)}"
    value, low, high = (
        None if found[key] is None else -found[key] for key in ("value", "high", "low")
    )
    return f"{fewer} {spread({'value': value, 'low': low, 'high': high})}"


def needed_text(found: Mapping[str, Any]) -> str:
    """A number needed to treat or to harm; beyond a thousand the number itself says nothing.

    >>> needed_text({"value": 7.94, "low": 6.0, "high": None}), needed_text({"value": 1630.0, "low": 1400.0, "high": None})
    ('7.9 (6.0 to none)', 'over 1,000')
    """
    ends = [found[key] for key in ("value", "low", "high")]
    if ends[0] is not None and ends[0] > _MANY:
        return f"over {number(_MANY, digits=0)}"
    return spread(found, digits=0 if ends[0] is not None and ends[0] >= 100.0 else 1)


def rule_in_words(rule: Mapping[str, Any]) -> str:
    """A rule as a committee says it."""
    if rule["strategy"] == "none":
        return "giving nobody prophylaxis"
    if rule["threshold"] is None:
        return f"giving {drug(rule['strategy'])} to everybody"
    return (
        f"giving {drug(rule['strategy'])} to patients at a predicted risk of {percent(rule)} or"
        " more"
    )


def percent(rule: Mapping[str, Any]) -> str:
    """The threshold of a rule as patients of 100."""
    return f"{100 * rule['threshold']:.0f} of 100"


def drug(strategy: str) -> str:
    """A strategy in words.

    >>> drug("tocilizumab+anakinra@fever"), drug("half_first_dose")
    ('tocilizumab and anakinra at fever', 'half of the first dose')
    """
    plan, _, change = strategy.partition("/")
    agents, _, when = plan.partition("@")
    changes = {
        "half_first_dose": "half of the first dose",
        "no_step_up": "no step-up",
        "under_skin": "the drug under the skin",
    }
    words = changes.get(agents, agents.replace("_", " ").replace("+", " and "))
    words += {"fever": " at fever", "two_doses": " before the first two doses"}.get(when, "")
    return f"{words} with {changes[change]}" if change in changes else words


def rule_named(results: Results, name: str) -> Mapping[str, Any]:
    """The rule of that name."""
    found: Mapping[str, Any] = next(rule for rule in results["rules"] if rule["name"] == name)
    return found


def policy_of(results: Results, rule: Mapping[str, Any]) -> Mapping[str, Any]:
    """The row of the reference cohort that a rule stands for."""
    rows = results["strategies"][rule["strategy"]]["policies"]
    found: Mapping[str, Any] = rows[1] if rule["threshold"] is None else rows[2]
    return found


def read_aloud(results: Results) -> str:
    """The first paragraph: setting, answer, price, certainty, trial, and what it is not."""
    setting, over, wanted = results["setting"], results["ensemble"], results["recommendation"]
    rule, best = rule_named(results, wanted["rule"]), rule_named(results, wanted["best_rule"])
    row, base = policy_of(results, rule), over["base_rate"]
    parts = [
        (
            "In simulated patients with"
            f" {setting['population'][0].lower()}{setting['population'][1:]} starting"
            f" {setting['product']} (regimen {setting['regimen'].replace('_', ' ')}), CRS of grade"
            f" 2 or more within {setting['window_d']:g} days after the first dose came in"
            f" {amount(100 * results['common']['rate']['value'], digits=0)} of 100 without"
            f" prophylaxis; over {over['n_members']} sets of assumptions that published figures"
            f" cannot tell apart, in {amount(100 * base['low'], digits=0)} to"
            f" {amount(100 * base['high'], digits=0)}."
        ),
        (
            f"Over these sets, {rule_in_words(best)} has the highest expected net benefit of"
            f" {len(results['rules'])} rules, and its strategy is the best one in"
            f" {amount(100 * wanted['probability_best'], digits=0)} of 100 worlds."
        ),
        (
            f"In the reference world {rule_in_words(rule)} treats"
            f" {amount(row['treated']['value'], digits=0)} of 100 patients, averts"
            f" {spread(row['averted'])} CRS of grade 2 or more,"
            f" {format_change(row['infections_added'], 'adds', 'spares')} serious infections within 90"
            f" days and {_responses(row['responses_lost'])}."
        ),
        *_hidden_fever(wanted),
        *_reference_sentence(results),
        _trial_sentence(results),
        (
            "All of it is synthetic: a design scenario, without external validation, never advice"
            " on a patient."
        ),
    ]
    return " ".join(parts)


def _responses(found: Mapping[str, Any]) -> str:
    """Tumour responses lost, which nobody knows to hang on T-cell activation; of none nothing
    depends on it.
    """
    if abs(found["value"]) < _SMALL:
        return "costs no tumour response in any world of response"
    return (
        f"{format_change(found, 'costs', 'spares')} tumour responses if T-cell activation mediates"
        " response, none if it does not: nobody knows which"
    )


def _hidden_fever(wanted: Mapping[str, Any]) -> list[str]:
    """That need of support falls less than the grade, where it does."""
    grade, support = wanted["risk_ratio"]["value"], wanted["support_ratio"]["value"]
    if round(support, 2) <= round(grade, 2):
        return []
    return [
        f"Over the sets its median risk ratio is {number(grade, digits=2)} by the grade but"
        f" {number(support, digits=2)} by need of support: a part of the effect on the grade is"
        " fever that is not seen."
    ]


def _reference_sentence(results: Results) -> list[str]:
    """That the reference world by itself says something else, where it does."""
    cautious, scenario = results["setting"]["response_world"], results["setting"]["scenario"]
    here = [one for one in results["scenarios"] if one["world"] == scenario]
    chosen = rule_named(results, results["recommendation"]["best_rule"])
    if not here or rule_named(results, here[0]["best"][cautious])["strategy"] == chosen["strategy"]:
        return []
    other = rule_in_words(rule_named(results, here[0]["best"][cautious]))
    return [
        f"The reference world by itself, with {WORLD_WORDS[cautious]} and weights as assumed, would"
        f" choose {other}: the answer over all sets and that of the single best guess are not the"
        " same."
    ]


def _trial_sentence(results: Results) -> str:
    wanted = results["recommendation"]
    rule = rule_named(results, wanted["rule"])
    sizes = [
        wanted["sizes"][key]["n_per_arm_0.8"]
        for key in ("median effect", "median effect on need of support")
    ]
    who = (
        "all comers"
        if rule["threshold"] is None
        else f"patients at a predicted risk of {percent(rule)} or more"
    )
    third = (
        f", {drug(wanted['third_arm'])} (best in too many worlds to be left out)"
        if wanted["third_arm"]
        else ""
    )
    size = (
        ""
        if None in sizes
        else (
            f" {max(sizes)} patients an arm give each of the two endpoints 80% power at its median "
            "effect."
        )
    )
    told = (
        f"The trial that follows randomises {who} to {drug(rule['strategy'])}{third} or placebo,"
        " with need of fluids, vasopressor or oxygen as a second primary endpoint that a hidden"
        f" fever cannot flatter.{size}"
    )
    if not wanted["is_worth_it"]:
        told = "No strategy is expected to pay; if one is tried all the same, it is this. " + told
    return told


def what_would_overturn(results: Results) -> list[str]:
    """Sentences about what turns the answer, the plausible ones first."""
    wanted, found = results["recommendation"], _other_worlds(results)
    if wanted["best_rule_by_support"] != wanted["best_rule"]:
        other = rule_named(results, wanted["best_rule_by_support"])
        found.append(
            f"Counted by need of support instead of grade, {rule_in_words(other)} would be best: "
            "a part of the effect on the grade is fever that is not seen."
        )
    pays = results["strategies"][wanted["strategy"]]["policies"][1]["net_benefit"]["value"] > 0.0
    for one in results["strategies"][wanted["strategy"]]["tipping_points"]:
        if one["is_within"] and one["tips_at"] is not None:
            found.append(
                tipping_text(
                    one, who=f"{drug(wanted['strategy'])} for everybody", pays=pays, has_range=True
                )
            )
    for one in results["ends"]:
        if one["turns_to"]:
            at = f" at {figure_text(one['tips_at'])}" if one["tips_at"] is not None else ""
            found.append(
                f"{_without_comment(one['meaning'])}: from {figure_text(one['low'])} to "
                f"{figure_text(one['high'])} (now "
                f"{figure_text(one['now'])}), the best rule in the reference world turns{at} from "
                f"{rule_in_words(rule_named(results, one['best_now']))} to "
                f"{rule_in_words(rule_named(results, one['turns_to']))}."
            )
    cautious = results["setting"]["response_world"]
    strategy = rule_named(results, wanted["best_rule"])["strategy"]
    worlds = [
        one
        for one in results["scenarios"]
        if rule_named(results, one["best"][cautious])["strategy"] != strategy
    ]
    if worlds:
        found.append(
            "Scenarios, everything else at its reference value, in which another strategy is best: "
            + listed(
                [
                    f"{one['world'].replace('_', ' ')}"
                    f" ({rule_in_words(rule_named(results, one['best'][cautious]))})"
                    for one in worlds
                ]
            )
            + "."
        )
    return found or [
        "Nothing that was varied within its plausible range turns the answer. That says more about"
        " the ranges than about patients."
    ]


def tipping_text(one: Mapping[str, Any], *, who: str, pays: bool, has_range: bool = False) -> str:
    """Where an assumption turns the answer: away from prophylaxis that pays, or towards one that
    does not yet.

    ``has_range``: its low and high are what is plausible, and are said.

    >>> point = {"assumption": "risk ratio of CRS", "now": 0.6, "tips_at": 0.78, "low": 0.3, "high": 0.9}
    >>> tipping_text(point, who="treating everybody", pays=True)
    'Risk ratio of CRS: 0.78 (now 0.60) makes treating everybody no better than treating nobody.'
    >>> tipping_text(point, who="giving it to everybody", pays=False, has_range=True)
    'Risk ratio of CRS: 0.78 (now 0.60; 0.30 to 0.90 is plausible) would be needed for giving it to everybody to pay.'
    """
    range_ = (
        f"; {figure_text(one['low'])} to {figure_text(one['high'])} is plausible"
        if has_range
        else ""
    )
    turns = (
        f"makes {who} no better than treating nobody"
        if pays
        else f"would be needed for {who} to pay"
    )
    return (
        f"{one['assumption'][:1].upper()}{one['assumption'][1:]}: {figure_text(one['tips_at'])}"
        f" (now {figure_text(one['now'])}{range_}) {turns}."
    )


def _other_worlds(results: Results) -> list[str]:
    """How often another strategy is best, and what a study could count that turns the answer to the
    rival.
    """
    over, known = results["ensemble"], results["information"]
    best = rule_named(results, over["best"])["strategy"]
    shares = {
        name: share
        for name, share in over["probability_strategy_best"].items()
        if name != best and share >= 0.005
    }
    told = []
    if shares:
        named = [
            f"{'giving nothing' if name == 'none' else drug(name)} in {100 * share:.0f}"
            for name, share in shares.items()
        ]
        told.append(f"Of 100 worlds another strategy is best: {listed(named)}.")
    first, second = (rule_named(results, name) for name in known["between"])
    for one in known["quantities"]:
        if one.get("tips_at") is not None:
            told.append(
                f"{one['meaning'][:1].upper()}{one['meaning'][1:]}: at {tie_text(one)} the answer"
                f" turns, by the trend over the ensemble (median {figure_text(one['now'])};"
                f" {figure_text(one['low'])} to {figure_text(one['high'])}), from"
                f" {rule_in_words(first)} to {rule_in_words(second)}."
            )
    return told


def _without_comment(meaning: str) -> str:
    return meaning.split(" (")[0].split(":")[0]


def measure_first(results: Results) -> list[str]:
    """What is worth measuring before the trial, in sentences."""
    known = results["information"]
    first = [
        "Knowing everything before deciding would be worth"
        f" {amount(known['evpi_per_100'], digits=2)} CRS events for each 100 patients; the decision"
        f" is between {_rule_text(results, known['between'][0])} and"
        f" {_rule_text(results, known['between'][1])}."
    ]
    worth = [
        one
        for one in known["quantities"]
        if one["is_beyond_chance"] and one["evppi_per_100"] >= _SMALL
    ]
    if worth:
        first.append(
            f"The one measurement worth making first: {worth[0]['meaning']} (worth "
            f"{amount(worth[0]['evppi_per_100'], digits=2)} for each 100 patients)."
        )
        return first
    moving = max(known["quantities"], key=lambda one: one["explains"])
    first.append(
        "No single quantity is worth more than chance shows. If one is to be measured first, it is"
        f" what moves the difference between the two most: {moving['meaning']}"
        f" ({100 * moving['explains']:.0f} of 100 parts of its variance)."
    )
    return first


def _rule_text(results: Results, name: str) -> str:
    return rule_in_words(rule_named(results, name))


def strategies_in_words(names: Sequence[str]) -> str:
    """Strategies as a list in a sentence."""
    return listed([drug(name) for name in names])


def figure_text(value: float | None) -> str:
    """A figure of an unknown size, in two or three digits that matter; `none` when there is
    none.
    """
    if value is None:
        return "none"
    return number(
        value, digits=0 if abs(value) >= 100 else 2 if abs(value) >= 0.1 or value == 0 else 4
    )


def tie_text(one: Mapping[str, Any]) -> str:
    """Where an answer turns, with its interval, or that the interval goes beyond what was looked
    at.

    >>> tie_text({"tips_at": 0.42, "tips_low": 0.35, "tips_high": 0.5})
    '0.42 (0.35 to 0.50)'
    >>> tie_text({"tips_at": 0.42, "tips_low": None, "tips_high": None})
    '0.42 (interval beyond the range)'
    """
    if one["tips_low"] is None:
        return f"{figure_text(one['tips_at'])} (interval beyond the range)"
    return f"{figure_text(one['tips_at'])} ({range_text(one['tips_low'], one['tips_high'])})"


def range_text(low: float | None, high: float | None) -> str:
    """From and to."""
    return MISSING if low is None or high is None else f"{figure_text(low)} to {figure_text(high)}"
