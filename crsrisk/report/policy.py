"""Who should get prophylaxis, as pages (of simulated patients, and of a table), and the recommended
trial as a design file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from crsrisk.data.potential_outcomes import strategy_in_words
from crsrisk.data.trial_plan import StatedArm
from crsrisk.policy.decision import PolicyAnalysis, PolicySetting
from crsrisk.policy.recommended_trial import ALPHA, POWERS, PlannedTrial
from crsrisk.policy.stated import PolicyTableAnalysis, StatedHarms, TableSetting
from crsrisk.policy.tipping import TippingPoint
from crsrisk.report.guidance import Prevention, prevention
from crsrisk.report.policy_sections import (
    common_section,
    doses_figure,
    doses_section,
    happens_row,
    harms_section,
    net_benefit_figure,
    policies_section,
    regret_section,
    stated_subgroups_section,
    subgroups_section,
    worth_row,
)
from crsrisk.report.policy_uncertainty import (
    information_section,
    tipping_section,
    trial_section,
    worlds_section,
)
from crsrisk.report.policy_words import (
    amount,
    figure_text,
    measure_first,
    policy_answer,
    policy_summary,
    policy_table_answer,
    policy_table_summary,
    range_text,
    what_would_overturn,
    what_would_overturn_table,
    who_enters,
    with_interval,
)
from crsrisk.report.sections import Section, Table, numbered, row, section, table
from crsrisk.report.trial_protocol import protocol_yaml
from crsrisk.wording import listed, number, typeset

LIMITS = (
    (
        "Every patient is simulated. The true effects are true of the simulator, not of any drug in"
        " any patient."
    ),
    (
        "Harms beyond CRS are assumptions with wide ranges: no figure of infection or response in"
        " this setting was found. Replace them by those of your own patients:"
        " synthetic/assumptions/consequences.yaml."
    ),
    (
        "How T-cell activation and response hang together is unknown. Common cause and mediation"
        " give the same observational data and opposite prices of quietening T cells; both stand"
        " side by side throughout."
    ),
    (
        "A grade needs a fever that somebody sees. IL-6 blockade and steroids hide fever; need of"
        " support stands beside it."
    ),
    (
        "Response follows the peak of T-cell activation alone; its duration and later cycles are"
        " not simulated."
    ),
    (
        "A randomised trial of this size will rarely show that response is safe; say so in the"
        " protocol."
    ),
    "Weights of harms are judgements. No measurement settles them: they are to be elicited.",
)
TABLE_LIMITS = (
    (
        "No potential outcome is known of any patient of this table: what prophylaxis would have"
        " done is an assumption, the same risk ratio for everybody."
    ),
    (
        "Without an outcome column the risks are taken as true; a score that is too low or too high"
        " moves every figure."
    ),
    "Whether some patients gain more than others cannot be seen here: risk stands in for benefit.",
)


@dataclass(frozen=True)
class PolicyPage:
    """A page about policies: its words, sections, and the setting that makes it again.

    ``event`` and ``window`` stand with ``notice`` wherever a risk is shown.
    """

    title: str
    question: str
    event: str
    window: str
    notice: str
    answer: str
    summary: str
    overturns: tuple[str, ...]
    measure_first: tuple[str, ...]
    limits: tuple[str, ...]
    sections: tuple[Section, ...]
    setting: PolicySetting | TableSetting
    prevention: Prevention

    @property
    def tables(self) -> Iterator[Table]:
        """All tables, in their order."""
        return (table for part in self.sections for table in part.tables)


# in the order in which a committee asks
_SECTIONS = (
    common_section,
    harms_section,
    policies_section,
    doses_section,
    regret_section,
    subgroups_section,
    worlds_section,
    tipping_section,
    information_section,
    trial_section,
)


def policy_page(analysis: PolicyAnalysis) -> PolicyPage:
    """The page about simulated patients."""
    setting = analysis.setting
    return PolicyPage(
        title=typeset(f"Prophylaxis against CRS under {setting.product}"),
        question=typeset(analysis.question),
        event=typeset("CRS of grade >= 2 (ASTCT)"),
        window=f"within {setting.window_d:g} days after the first dose",
        notice=analysis.notice,
        answer=typeset(policy_answer(analysis)),
        summary=typeset(policy_summary(analysis)),
        overturns=tuple(typeset(text) for text in what_would_overturn(analysis)),
        measure_first=tuple(typeset(text) for text in measure_first(analysis)),
        limits=LIMITS,
        sections=numbered([make(analysis) for make in _SECTIONS]),
        setting=setting,
        prevention=prevention(setting.product, setting.platform),
    )


def policy_table_page(analysis: PolicyTableAnalysis) -> PolicyPage:
    """The page about a table of patients."""
    subgroups = [stated_subgroups_section(analysis.subgroups)] if analysis.subgroups else []
    return PolicyPage(
        title="Prophylaxis against CRS: what follows from stated effects",
        question="Who of these patients should get prophylaxis, if it does what is stated?",
        event=typeset("CRS of grade >= 2"),
        window="within the window of the risks given",
        notice=analysis.notice,
        answer=typeset(policy_table_answer(analysis)),
        summary=typeset(policy_table_summary(analysis)),
        overturns=tuple(typeset(text) for text in what_would_overturn_table(analysis)),
        measure_first=(),
        limits=TABLE_LIMITS,
        sections=numbered(
            [
                _stated_policies(analysis),
                _stated_harms(analysis.ledger),
                *subgroups,
                _stated_ties(analysis.tipping_points),
            ]
        ),
        setting=analysis.setting,
        prevention=prevention(),
    )


def _stated_policies(analysis: PolicyTableAnalysis) -> Section:
    """What each policy does to 100 patients of a table."""
    risk = analysis.risk
    observed = "No outcomes were given: risks are taken as true."
    if risk.observed is not None and risk.auroc is not None:
        observed = (
            f"Observed: {amount(100 * risk.observed)} of 100 with the event, AUROC "
            f"{with_interval(risk.auroc, digits=2)}."
        )
    return section(
        "policies",
        title="Whom to treat: what becomes of 100 patients",
        lead="Figures are for 100 patients of the table.",
        sentences=[observed],
        tables=[
            table(
                "happens",
                title="What happens, for 100 patients",
                row_header="Policy",
                rows=[happens_row(policy) for policy in analysis.policies],
                columns=[
                    ("Treated", ""),
                    ("CRS >= 2 averted", ""),
                    ("CRS >= 2 missed", "in the untreated"),
                    ("Treated needlessly", ""),
                    ("Infections added", ""),
                    ("Responses lost", ""),
                ],
            ),
            table(
                "worth",
                title="What it is worth, for 100 patients",
                row_header="Policy",
                rows=[worth_row(policy) for policy in analysis.policies],
                columns=[
                    ("NNT", "for one CRS averted"),
                    ("NNH", "for one infection"),
                    ("Net benefit", ""),
                ],
            ),
        ],
        figures=[
            net_benefit_figure(
                {"prophylaxis": analysis.decision_curve},
                text=(
                    "Blue: by risk at t*, with its 95% band. Broken grey: everybody. Black: nobody."
                ),
            ),
            doses_figure({"prophylaxis": analysis.doses}, text="Blue: by risk. Dashed: at random."),
        ],
    )


def _stated_harms(ledger: StatedHarms) -> Section:
    return section(
        "harms",
        title="What it costs, in CRS events",
        lead=(
            f"t* = h / (1 - RR) = {amount(100 * ledger.threshold)} of 100."
            if ledger.threshold <= 1.0
            else "t* = h / (1 - RR) lies above 100 of 100: no risk is high enough."
        ),
        tables=[
            table(
                "harms",
                title="Harms for 100 treated patients",
                row_header="Harm",
                rows=[
                    row(
                        harm.harm,
                        [
                            amount(100 * harm.per_treated),
                            number(harm.weight, digits=2),
                            amount(100 * harm.crs_units),
                        ],
                    )
                    for harm in ledger.rows
                ],
                columns=[("Number", "for 100"), ("Weight", ""), ("CRS events", "for 100")],
            )
        ],
    )


def _stated_ties(points: tuple[TippingPoint, ...]) -> Section:
    return section(
        "tipping",
        title="What would break it",
        lead="Each quantity alone, everything else as stated; exact.",
        tables=[
            table(
                "tipping",
                title="Treating everybody against nobody",
                row_header="Quantity",
                rows=[
                    row(
                        point.assumption,
                        [
                            figure_text(point.now),
                            figure_text(point.tips_at),
                            range_text(point.low, point.high),
                        ],
                    )
                    for point in points
                ],
                columns=[("Now", ""), ("Ties at", ""), ("Possible", "")],
            )
        ],
    )


LOOKS = {"boundary": "Lan-DeMets OBF-like spending", "looks": 3, "futility_z": [0.0, 0.5]}


def trial_design(analysis: PolicyAnalysis) -> dict[str, Any]:
    """The recommended trial as the tree of a design file: its arms with the rates that the page
    plans on, its claims and its patients; with two arms a second design has looks.

    Screening figures are stand-ins, to be replaced by those of the sites.
    """
    setting, trial = analysis.setting, analysis.recommendation.trial
    drugs = listed([strategy_in_words(arm.name) for arm in trial.arms[1:]])
    therapy = f"{setting.product} ({setting.regimen})"
    entering = who_enters(analysis.rule(analysis.recommendation.rule))
    return {
        "trial": "recommended_prophylaxis",
        "question": (
            f"Does {drugs} lower CRS of grade >= 2 under {setting.product}, and which claims does"
            " the trial support at this size?"
        ),
        "prophylaxis_in_words": f"{drugs} under {therapy}",
        "seed": setting.seed,
        "n_sim": 10_000,
        "alpha_one_sided": ALPHA,
        "power": POWERS[0],
        "estimand": _estimand(setting, drug=drugs, therapy=therapy, entering=entering),
        "candidates": {"arms": [_arm(arm) for arm in trial.arms]},
        "screening": {
            "candidates_per_month": 8.0,
            "eligible": round(trial.treated, 4),
            "consent": 0.7,
            "wait_d": setting.window_d,
        },
        "designs": _designs(trial),
    }


def _arm(arm: StatedArm) -> dict[str, Any]:
    return {
        "name": arm.name,
        "crs": arm.crs,
        "support": arm.support,
        "both": arm.both,
        "given": arm.given,
    }


def _estimand(setting: PolicySetting, *, drug: str, therapy: str, entering: str) -> dict[str, Any]:
    within = f"within {setting.window_d:g} days of the first dose"
    return {
        "population": f"adults with {setting.population.lower()} who start {therapy}, {entering}",
        "treatment": f"{drug} and the planned regimen against the planned regimen alone",
        "variable": f"ASTCT grade >= 2 cytokine release syndrome {within}",
        "summary": "difference of risks, with the risk ratio beside it",
        "intercurrent_events": [
            {
                "event": "rescue tocilizumab or steroid for grade 1",
                "strategy": "treatment policy",
                "sensitivity": "composite",
            },
            {"event": "prophylaxis missed or given in part", "strategy": "treatment policy"},
            {"event": "later doses withheld or progression", "strategy": "treatment policy"},
            {"event": "death before the end of the window", "strategy": "composite"},
            {"event": "another cause such as sepsis", "strategy": "adjudication"},
        ],
    }


def _designs(trial: PlannedTrial) -> list[dict[str, Any]]:
    if len(trial.arms) == 2:
        two_arms = {"kind": "all_comers", "co_primary_support": True}
        return [
            {"name": "Two arms", **two_arms, "n_total": trial.n_total},
            {"name": "Two arms, three looks", **two_arms, "sequential": LOOKS},
        ]
    several = {
        "kind": "multi_arm",
        "co_primary_support": True,
        "multiplicity": "hierarchical",
    }
    claims = [
        {"experimental": claim.experimental, "comparator": claim.comparator}
        for claim in trial.claims
    ]
    return [
        {
            "name": f"{len(trial.arms)} arms",
            **several,
            "claims": claims,
            "n_total": trial.n_total,
        }
    ]


def trial_design_yaml(analysis: PolicyAnalysis) -> str | None:
    """The same as the text of a file; None where the trial has nothing to show."""
    if not analysis.recommendation.trial.claims:
        return None
    return protocol_yaml(trial_design(analysis), version=analysis.setting.version)
