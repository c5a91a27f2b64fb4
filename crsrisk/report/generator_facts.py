"""Every number of products, policies, mitigations and populations with source and strength, for the
generator card.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from crsrisk.data.assumptions import Quantity, Strength
from crsrisk.data.ensemble import CHANCE
from crsrisk.data.population import Marginal, Shares
from crsrisk.data.product import Product
from crsrisk.data.world import World
from crsrisk.uncertainty.posterior import CLEAR, HINT
from crsrisk.wording import number, significant, unit_in_words

MECHANISM = "Assumptions on the mechanism"
# source of a neutral value that a product does not need: no number that anything rests on
_NOT_USED = "not used"
_KINDS = {
    "product": "Products",
    "policy": "Policies of support",
    "mitigation": "Mitigations",
    "population": "Populations",
}

Row = dict[str, Any]
Nouns = Mapping[str, Mapping[str, BaseModel]]  # kind -> name -> noun


def nouns_of(world: World, products: Sequence[Product]) -> Nouns:
    """Everything beside the mechanism that numbers stand in, by kind and name."""
    found: dict[str, Mapping[str, BaseModel]] = {
        "product": {one.name: one for one in products},
        "policy": world.policies,
        "mitigation": world.mitigations,
        "population": world.populations,
    }
    return {kind: dict(sorted(group.items())) for kind, group in found.items()}


def number_rows(nouns: Nouns) -> list[Row]:
    """One row a number: `group`, `file`, `constant` (how calibration calls it), `key`, `value`,
    `unit`, `prior`, `range`, `strength`, `source`. A distribution or a list of shares with one
    source is one row, its value in words.
    """
    return [
        {"group": _KINDS[kind], "file": file, "constant": f"{kind}:{file}.{row['key']}", **row}
        for kind, group in nouns.items()
        for file, noun in group.items()
        for row in numbers_of(noun)
    ]


def numbers_of(noun: BaseModel, *, path: str = "") -> Iterator[Row]:
    """All numbers of a noun that something rests on, however deep; neutral values that are `not
    used` are left out.
    """
    strength, source = getattr(noun, "strength", None), getattr(noun, "source", "")
    if isinstance(strength, str) and not source.lower().startswith(_NOT_USED):
        yield {"key": path, **_value(noun), "strength": strength, "source": source}
    if isinstance(noun, Quantity):
        return
    for field in type(noun).model_fields:
        value = getattr(noun, field)
        inner = (
            {f".{key}": one for key, one in value.items()}
            if isinstance(value, dict)
            else {"": value}
        )
        for key, one in inner.items():
            if isinstance(one, BaseModel):
                yield from numbers_of(one, path=f"{path}.{field}{key}".removeprefix("."))


def _value(noun: BaseModel) -> Row:
    if isinstance(noun, Quantity):
        return {
            "value": noun.value,
            "unit": noun.unit,
            "prior": noun.prior,
            "range": list(noun.range),
        }
    if isinstance(noun, Marginal):
        spread = "SD of the logarithm" if noun.shape == "lognormal" else "SD"
        return {
            "value": f"median {noun.median:g} {unit_in_words(noun.unit)}, {spread} {noun.sd:g}",
            "unit": noun.unit,
            "prior": None,
            "range": list(noun.limits),
        }
    if isinstance(noun, Shares):
        ecog, sites = (
            ", ".join(f"{share:g}" for share in shares)
            for shares in (noun.ecog, noun.n_metastatic_sites)
        )
        return {
            "value": f"ECOG 0 to 2: {ecog}; 1 to 5 metastatic sites: {sites}",
            "unit": "1",
            "prior": None,
            "range": None,
        }
    raise TypeError(f"no words for the value of {type(noun).__name__}")


def counts_by_group(mechanism: Iterable[Row], rows: Iterable[Row], *, nouns: Nouns) -> list[Row]:
    """Numbers by group and strength, with the number of files of a group; the last row counts
    all.
    """
    counted: dict[str, Counter[str]] = {
        MECHANISM: Counter(),
        **{label: Counter() for label in _KINDS.values()},
    }
    counted[MECHANISM].update(row["strength"] for row in mechanism)
    for row in rows:
        counted[row["group"]][row["strength"]] += 1
    files = {_KINDS[kind]: len(group) for kind, group in nouns.items()}
    counted["All"] = sum(counted.values(), Counter())
    return [
        {
            "group": label,
            "n_files": files.get(label),
            "n": found.total(),
            **{one.value: found[one.value] for one in Strength},
        }
        for label, found in counted.items()
    ]


# What the evidence constrains and what it leaves at its prior, in words and as a table, for the
# generator card.


NO_EVIDENCE = (
    "Which assumptions the evidence constrains is not stated: there is no ensemble, or its members"
    " were drawn from other priors than those of the files."
)
NOT_VARIED = "not varied"
HEADER = (
    "constant",
    "evidence",
    "strength",
    "prior median",
    "median of the members (95%)",
    "in use",
    "moved (prior SDs)",
    "SD left",
)
COLUMN = {
    "constrains": (
        f"the mean of the members moved by {CLEAR[0]:g} prior SDs or more, or {100 * CLEAR[1]:.0f}%"
        " or less of the prior SD is left"
    ),
    "hint": (
        f"less than that, but {HINT[0]:g} prior SDs or more, or {100 * HINT[1]:.0f}% or less left"
    ),
    "prior": "the evidence leaves it where its prior put it",
    NOT_VARIED: (
        "calibration did not ask: populations, measurement, consequences of prophylaxis, numbers"
        " without a spread, products and care that no calibration source is about, and what a"
        " scenario sets"
    ),
}


def evidence_statement(card: Mapping[str, Any]) -> str:
    """How many constants the evidence constrains, of how many, and how that is told."""
    evidence = card["evidence"]
    if evidence is None:
        return NO_EVIDENCE
    found = Counter(row["evidence"] for row in evidence["constants"])
    n, size = found.total(), evidence["effective_size"]
    return (
        f"**{n - found['constrains']} of the {n} constants that calibration varied stay where their"
        f" priors put them; the evidence constrains {found['constrains']}.** Of those that stay,"
        f" {found['hint']} show a hint. By chance the mean of {evidence['n_members']} members has a"
        f" standard error of {size**-0.5:.2f} prior SDs, their SD one of"
        f" {100 * (2 * size) ** -0.5:.0f}%. Each constant is judged by itself:"
        f" {evidence['n_targets']} figures hold at most as many combinations of constants, and a"
        " combination may be held where each of its constants stays wide."
    )


def evidence_rows(card: Mapping[str, Any]) -> list[list[str]]:
    """A row of :data:`HEADER` for each constant that the evidence constrains or hints at, most
    constrained first.
    """
    rows = [] if card["evidence"] is None else card["evidence"]["constants"]
    return [_row(row) for row in rows if row["evidence"] != "prior"]


def _row(row: Mapping[str, Any]) -> list[str]:
    unit = unit_in_words(row["unit"])
    median, low, high = (
        significant(row[f"posterior_{name}"]) for name in ("median", "low", "high")
    )
    shift = number(row["shift_prior_sd"])
    return [
        f"`{row['constant'].removeprefix('assumption:')}`",
        row["evidence"],
        row["strength"],
        f"{row['prior_median']:g} {unit}".strip(),
        f"{median} ({low} to {high})",
        f"{row['most_probable']:.4g}",
        shift if row["shift_prior_sd"] < 0.0 else f"+{shift}",
        f"{100.0 * row['left_of_prior_sd']:.0f}%",
    ]


def told_of(row: Mapping[str, Any], evidence: Mapping[str, Any] | None) -> str | None:
    """What the evidence does to the number of a row, whose key is under `constant`; None where that
    is not known.

    >>> told_of({"constant": "assumption:a.b"}, {"constants": [{"constant": "assumption:a.b", "evidence": "prior"}]})
    'prior'
    """
    if evidence is None:
        return None
    return next(
        (one["evidence"] for one in evidence["constants"] if one["constant"] == row["constant"]),
        NOT_VARIED,
    )


# Shares of variance in words: what the answers rest on, and where the simulations do not tell.


NO_VARIANCE = (
    "The share of the outputs' variance that rests on assumed numbers was not computed for this"
    " version. To compute it: `crsrisk run experiments/003_sensitivity`, then copy"
    " `results/summary.json` of that folder to `synthetic/ensemble/sensitivity.json`."
)
NOT_RESOLVED = "not resolved"
WIDEST = 1.0  # a share whose 95% interval is wider than the whole tells nothing
MOST_CHANCE = 0.5  # chance's total share above which the constants' shares are not told from it
RULE = (
    "the 95% interval of the share is wider than 100 points, or which patients were simulated makes"
    " up more than half of the output's variance (alone and together with the numbers), so that"
    " these simulations do not tell."
)
_LEFT_OUT = "grade2plus_checkpoint_inhibitor"


def is_resolved(low: float, high: float, *, chance: float | None = None) -> bool:
    """Whether a share is told well enough to be printed; ``chance``: the total share of chance in
    that output.

    >>> is_resolved(0.6, 0.8, chance=0.2), is_resolved(-1.3, 10.4, chance=0.2), is_resolved(0.6, 0.8, chance=0.7)
    (True, False, False)
    """
    return high - low <= WIDEST and (chance is None or not chance > MOST_CHANCE)


def chance_of(output: Mapping[str, Any]) -> float | None:
    """Chance's total share of an output's variance, alone and together with the numbers; None where
    it is not known.
    """
    return next(
        (share["with_others"] for share in output["shares"] if share["strength"] == CHANCE), None
    )


def percent(share: Mapping[str, Any] | None, name: str, *, chance: float | None = None) -> str:
    """A share of variance in per cent with its interval; a dash where there is none, words where it
    is not resolved.

    >>> percent({"alone": 0.714, "alone_low": 0.6, "alone_high": 0.82}, "alone"), percent(None, "alone")
    ('71% (60 to 82)', '–')
    >>> percent({"alone": 4.57, "alone_low": -1.3, "alone_high": 10.43}, "alone")
    'not resolved'
    """
    if share is None or any(share[f"{name}{end}"] is None for end in ("", "_low", "_high")):
        return "–"
    if not is_resolved(share[f"{name}_low"], share[f"{name}_high"], chance=chance):
        return NOT_RESOLVED
    value, low, high = (
        f"{round(100.0 * share[f'{name}{end}'])}".replace("-", "−") for end in ("", "_low", "_high")
    )
    return f"{value}% ({low} to {high})"


def shares_row(output: Mapping[str, Any], strengths: list[str]) -> list[str]:
    """An output's shares: assumed alone and with others, the other ``strengths`` alone, chance
    alone and with others.
    """
    found = {share["strength"]: share for share in output["shares"]}
    chance = chance_of(output)
    return [
        output["meaning"],
        percent(found.get("assumed"), "alone", chance=chance),
        percent(found.get("assumed"), "with_others", chance=chance),
        *(percent(found.get(name), "alone", chance=chance) for name in strengths),
        *(percent(found.get(CHANCE), name) for name in ("alone", "with_others")),
    ]


def leaders_row(output: Mapping[str, Any]) -> list[str]:
    """An output and the constants that move it most, with their strength and total share."""
    chance = chance_of(output)
    told = [(leader, percent(leader, "total", chance=chance)) for leader in output["leaders"]]
    if all(share == NOT_RESOLVED for _, share in told):
        return [output["meaning"], NOT_RESOLVED]
    return [
        output["meaning"],
        "; ".join(
            f"`{leader['factor'].partition(':')[2]}` ({leader['strength']}) {share}"
            for leader, share in told
        ),
    ]


def variance_statement(card: Mapping[str, Any]) -> str:
    """What the shares of variance are, where they come from; how to compute them when they are not
    there.
    """
    variance = card["variance"]
    if variance is None:
        return NO_VARIANCE
    names = [output["name"] for output in variance["outputs"]]
    left_out = (
        ""
        if _LEFT_OUT in names
        else (
            " Checkpoint inhibitors are left out: grade 2 or more is too rare under them for a rate"
            " from a few hundred patients."
        )
    )
    stand_in = (
        ""
        if "auroc" not in names
        else (
            " AUROC, log odds ratios and the selection are those of a cross-fitted logistic"
            " regression on what is observed in the simulated patients of one product (`judged` in"
            " the experiment's file). It stands in for the oracle, knows the hospital's values but"
            " not the mechanism, and ranks less well than the oracle would."
        )
    )
    return (
        "Share of each output's variance that rests on numbers of each strength, when all vary"
        " over their priors. *Alone*: what numbers of that strength do by themselves, of what all"
        " numbers explain together. *With others*: by themselves and together with others, of the"
        " whole variance. *Chance*: which patients were simulated, of the whole variance. 95%"
        f" intervals. *Not resolved*: {RULE}{stand_in}{left_out} From {variance['experiment']},"
        f" seed {variance['seed']}, version {variance['version']}. {variance['notice']}"
    )
