"""Facts of the generator card: every stated number with source and strength, what the evidence
constrains, and what the answers of the simulator rest on, each with its words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from pydantic import BaseModel

from crsrisk.data.assumptions import Quantity, Strength
from crsrisk.data.ensemble import CHANCE, OutputShares, Share, VarianceShares
from crsrisk.data.population import Marginal, Shares
from crsrisk.data.product import Product
from crsrisk.data.world import World
from crsrisk.results import Estimate
from crsrisk.uncertainty.posterior import CLEAR, HINT, ConstantUpdate
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

Nouns: TypeAlias = Mapping[str, Mapping[str, BaseModel]]  # kind -> name -> noun


@dataclass(frozen=True)
class StatedNumber:
    """One number of a file that something rests on, with where it comes from.

    ``group`` is what it is a number of, ``file`` the file and ``key`` the place in it; ``constant``
    is how calibration calls it, None for what a scenario sets. ``value`` is words for a
    distribution or a list of shares that has one source. ``prior`` is what was believed before
    calibration moved it. ``evidence`` says what the evidence did to it; None where that is not
    known.
    """

    group: str
    file: str
    key: str
    constant: str | None
    meaning: str
    value: float | str
    unit: str
    prior: float | None
    range: tuple[float, float] | None
    strength: str
    source: str
    evidence: str | None = None


@dataclass(frozen=True)
class StrengthCounts:
    """How many numbers of a group are known how well; ``n_files`` None where files do not count."""

    group: str
    n_files: int | None
    n: int
    measured: int
    estimated: int
    expert: int
    assumed: int

    @property
    def label(self) -> str:
        """The group with its number of files."""
        return self.group if self.n_files is None else f"{self.group} ({self.n_files} files)"

    @property
    def by_strength(self) -> tuple[int, ...]:
        """Counts in the order of :class:`~crsrisk.data.assumptions.Strength`."""
        return self.measured, self.estimated, self.expert, self.assumed


@dataclass(frozen=True)
class ConstantEvidence:
    """What the evidence did to one constant that calibration varied, with its unit and strength."""

    update: ConstantUpdate
    unit: str
    strength: str


@dataclass(frozen=True)
class EnsembleEvidence:
    """What ``n_targets`` published figures did to the constants of an ensemble, most constrained
    first.
    """

    n_members: int
    effective_size: float
    n_targets: int
    constants: tuple[ConstantEvidence, ...]


def nouns_of(world: World, products: Sequence[Product]) -> Nouns:
    """Everything beside the mechanism that numbers stand in, by kind and name."""
    nouns: dict[str, Mapping[str, BaseModel]] = {
        "product": {product.name: product for product in products},
        "policy": world.policies,
        "mitigation": world.mitigations,
        "population": world.populations,
    }
    return {kind: dict(sorted(group.items())) for kind, group in nouns.items()}


def assumption_rows(world: World) -> Iterator[StatedNumber]:
    """Every assumption of the mechanism; what a scenario sets counts as assumed, with its reason as
    source.
    """
    for name, entry in world.assumptions.items():
        row = StatedNumber(
            group=MECHANISM,
            file=name.partition(".")[0],
            key=name,
            constant=f"assumption:{name}",
            meaning=entry.meaning,
            value=entry.value,
            unit=entry.unit,
            prior=entry.prior,
            range=_ends(entry.range),
            strength=entry.strength,
            source=entry.source,
        )
        if (change := world.scenario.overrides.get(name)) is not None:
            row = replace(
                row,
                strength=Strength.assumed.value,
                prior=None,
                constant=None,
                source=f"scenario {world.scenario.name}: {change.reason}",
            )
        yield row


def number_rows(nouns: Nouns) -> list[StatedNumber]:
    """One row a number of a product, policy, mitigation or population. A distribution or a list of
    shares with one source is one row, its value in words.
    """
    return [
        replace(row, group=_KINDS[kind], file=file, constant=f"{kind}:{file}.{row.key}")
        for kind, group in nouns.items()
        for file, noun in group.items()
        for row in numbers_of(noun)
    ]


def numbers_of(noun: BaseModel, *, path: str = "") -> Iterator[StatedNumber]:
    """All numbers of a noun that something rests on, however deep; neutral values that are `not
    used` are left out.
    """
    strength, source = getattr(noun, "strength", None), getattr(noun, "source", "")
    if isinstance(strength, str) and not source.lower().startswith(_NOT_USED):
        yield _stated(noun, key=path, strength=strength, source=source)
    if isinstance(noun, Quantity):
        return
    for field in type(noun).model_fields:
        value = getattr(noun, field)
        parts = (
            {f".{key}": part for key, part in value.items()}
            if isinstance(value, dict)
            else {"": value}
        )
        for key, part in parts.items():
            if isinstance(part, BaseModel):
                yield from numbers_of(part, path=f"{path}.{field}{key}".removeprefix("."))


def _stated(noun: BaseModel, *, key: str, strength: str, source: str) -> StatedNumber:
    def row(
        value: float | str,
        unit: str,
        span: tuple[float, float] | None,
        prior: float | None = None,
    ) -> StatedNumber:
        return StatedNumber("", "", key, None, "", value, unit, prior, span, strength, source)

    if isinstance(noun, Quantity):
        return row(noun.value, noun.unit, _ends(noun.range), noun.prior)
    if isinstance(noun, Marginal):
        spread = "SD of the logarithm" if noun.shape == "lognormal" else "SD"
        words = f"median {noun.median:g} {unit_in_words(noun.unit)}, {spread} {noun.sd:g}"
        return row(words, noun.unit, _ends(noun.limits))
    if isinstance(noun, Shares):
        ecog, sites = (
            ", ".join(f"{share:g}" for share in shares)
            for shares in (noun.ecog, noun.n_metastatic_sites)
        )
        return row(f"ECOG 0 to 2: {ecog}; 1 to 5 metastatic sites: {sites}", "1", None)
    raise TypeError(f"no words for the value of {type(noun).__name__}")


def _ends(span: Sequence[float]) -> tuple[float, float]:
    low, high = span
    return low, high


def counts_by_group(
    mechanism: Iterable[StatedNumber], rows: Iterable[StatedNumber], *, nouns: Nouns
) -> list[StrengthCounts]:
    """Numbers by group and strength, with the number of files of a group; the last row counts
    all.
    """
    counted: dict[str, Counter[str]] = {
        MECHANISM: Counter(),
        **{label: Counter() for label in _KINDS.values()},
    }
    for row in (*mechanism, *rows):
        counted[row.group][row.strength] += 1
    files = {_KINDS[kind]: len(group) for kind, group in nouns.items()}
    counted["All"] = sum(counted.values(), Counter())
    return [
        StrengthCounts(
            label, files.get(label), counts.total(), *(counts[level.value] for level in Strength)
        )
        for label, counts in counted.items()
    ]


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
        " without a spread, products and care that no fitted figure is about, and what a"
        " scenario sets"
    ),
}


def evidence_statement(evidence: EnsembleEvidence | None) -> str:
    """How many constants the evidence constrains, of how many, and how that is told."""
    if evidence is None:
        return NO_EVIDENCE
    verdicts = Counter(constant.update.verdict for constant in evidence.constants)
    n, size = verdicts.total(), evidence.effective_size
    n_constrained = verdicts["constrains"]
    return (
        f"**{n - n_constrained} of the {n} constants that calibration varied stay where their"
        f" priors put them; the evidence constrains {n_constrained}.** Of those that stay,"
        f" {verdicts['hint']} show a hint. By chance the mean of {evidence.n_members} members has a"
        f" standard error of {size**-0.5:.2f} prior SDs, their SD one of"
        f" {100 * (2 * size) ** -0.5:.0f}%. Each constant is judged by itself:"
        f" {evidence.n_targets} figures hold at most as many combinations of constants, and a"
        " combination may be held where each of its constants stays wide."
    )


def evidence_rows(evidence: EnsembleEvidence | None) -> list[list[str]]:
    """A row of :data:`HEADER` for each constant that the evidence constrains or hints at, most
    constrained first.
    """
    constants = () if evidence is None else evidence.constants
    return [_evidence_row(each) for each in constants if each.update.verdict != "prior"]


def _evidence_row(constant: ConstantEvidence) -> list[str]:
    update = constant.update
    median, low, high = (
        significant(value)
        for value in (update.posterior.value, update.posterior.low, update.posterior.high)
    )
    shift = number(update.shift_prior_sd)
    return [
        f"`{update.constant.removeprefix('assumption:')}`",
        update.verdict,
        constant.strength,
        f"{update.prior_median:g} {unit_in_words(constant.unit)}".strip(),
        f"{median} ({low} to {high})",
        f"{update.most_probable:.4g}",
        shift if update.shift_prior_sd < 0.0 else f"+{shift}",
        f"{100.0 * update.left_of_prior_sd:.0f}%",
    ]


def with_evidence(
    rows: Iterable[StatedNumber], evidence: EnsembleEvidence | None
) -> tuple[StatedNumber, ...]:
    """The same numbers, each with what the evidence did to it."""
    if evidence is None:
        return tuple(rows)
    verdicts = {each.update.constant: each.update.verdict for each in evidence.constants}
    return tuple(
        replace(row, evidence=verdicts.get(row.constant or "", NOT_VARIED)) for row in rows
    )


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

    >>> is_resolved(0.6, 0.8, chance=0.2)
    True
    >>> is_resolved(-1.3, 10.4, chance=0.2), is_resolved(0.6, 0.8, chance=0.7)
    (False, False)
    """
    return high - low <= WIDEST and (chance is None or not chance > MOST_CHANCE)


def chance_of(output: OutputShares) -> float | None:
    """Chance's total share of an output's variance, alone and together with the numbers; None where
    it is not known.
    """
    return next((share.with_others for share in output.shares if share.strength == CHANCE), None)


def percent(share: Estimate | None, *, chance: float | None = None) -> str:
    """A share of variance in per cent with its interval; a dash where there is none, words where it
    is not resolved.

    >>> percent(Estimate(0.714, 0.6, 0.82)), percent(None)
    ('71% (60 to 82)', '–')
    >>> percent(Estimate(4.57, -1.3, 10.43))
    'not resolved'
    """
    if share is None:
        return "–"
    if not is_resolved(share.low, share.high, chance=chance):
        return NOT_RESOLVED
    value, low, high = (
        f"{round(100.0 * part)}".replace("-", "−") for part in (share.value, share.low, share.high)
    )
    return f"{value}% ({low} to {high})"


def assumed_shares(output: OutputShares) -> tuple[str, str]:
    """The share that rests on assumed numbers, alone and with others."""
    chance, assumed = chance_of(output), _share(output, Strength.assumed.value)
    return (
        percent(assumed.alone_share if assumed else None, chance=chance),
        percent(assumed.total_share if assumed else None, chance=chance),
    )


def shares_row(output: OutputShares, strengths: Sequence[str]) -> list[str]:
    """An output's shares: assumed alone and with others, the other ``strengths`` alone, chance
    alone and with others.
    """
    chance, others = chance_of(output), [_share(output, name) for name in strengths]
    of_chance = _share(output, CHANCE)
    return [
        output.meaning,
        *assumed_shares(output),
        *(percent(share.alone_share if share else None, chance=chance) for share in others),
        percent(of_chance.alone_share if of_chance else None),
        percent(of_chance.total_share if of_chance else None),
    ]


def _share(output: OutputShares, strength: str) -> Share | None:
    return next((share for share in output.shares if share.strength == strength), None)


def leaders_row(output: OutputShares) -> list[str]:
    """An output and the constants that move it most, with their strength and total share."""
    chance = chance_of(output)
    shares = [percent(leader.share, chance=chance) for leader in output.leaders]
    if all(share == NOT_RESOLVED for share in shares):
        return [output.meaning, NOT_RESOLVED]
    return [
        output.meaning,
        "; ".join(
            f"`{leader.factor.partition(':')[2]}` ({leader.strength}) {share}"
            for leader, share in zip(output.leaders, shares, strict=True)
        ),
    ]


def variance_statement(variance: VarianceShares | None) -> str:
    """What the shares of variance are, where they come from; how to compute them when they are not
    there.
    """
    if variance is None:
        return NO_VARIANCE
    names = [output.name for output in variance.outputs]
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
        f" intervals. *Not resolved*: {RULE}{stand_in}{left_out} From {variance.experiment},"
        f" seed {variance.seed}, version {variance.version}. {variance.notice}"
    )
