"""
# Design a trial

Sample sizes and bounds by formula, then designs simulated patient by patient. All rates are
assumptions of the planner; no data support routine prophylaxis in solid tumours.
"""

from pathlib import Path
from tempfile import mkdtemp

import matplotlib.pyplot as plt

import crsrisk as crs

size = crs.trials.sample_size_two_proportions(0.125, 0.25, power=0.8)
size

# %%
# Three looks with O'Brien-Fleming bounds: what z is asked for at each look.
crs.trials.group_sequential_bounds(type="O'Brien-Fleming", K=3).z.round(3)

# %%
# A design file says who the candidates are, what is assumed of screening and masking, and which
# designs to compare.
plan = """
trial: prophylaxis_by_risk
question: Does enrolling by predicted risk make a trial of prophylaxis smaller?
prophylaxis_in_words: prophylactic tocilizumab before the first dose
seed: 1
n_sim: 2000
alpha_one_sided: 0.025
power: 0.8
estimand:
  population: adults with solid tumours who start a T-cell engager
  treatment: prophylaxis and standard step-up against standard step-up alone
  variable: ASTCT grade >= 2 cytokine release syndrome within 14 days of the first dose
  summary: difference of risks, with the risk ratio beside it
  intercurrent_events:
    - {event: rescue tocilizumab for grade 1, strategy: composite, sensitivity: treatment policy}
candidates:
  stated: {risk: "Beta(2,6)", risk_ratio: 0.5}
masking: {hidden: 0.2, other_support: 0.03}
screening: {candidates_per_month: 12.0, consent: 0.8, score_noise_sd: 0.3,
            missing_labs: 0.1, wait_d: 14.0}
designs:
  - {name: Everybody, kind: all_comers}
  - name: Everybody, three looks
    kind: all_comers
    sequential: {boundary: "O'Brien-Fleming", looks: 3}
  - {name: High risk, kind: enrichment, threshold: 0.3}
power_curves:
  risk_ratio: [0.3, 0.5, 0.7, 1.0]
  base_rate: [0.25]
  threshold: [0.0, 0.3]
  n_total: 304
  n_sim: 1000
"""
file = Path(mkdtemp()) / "design.yaml"
file.write_text(plan, encoding="utf-8")
result = crs.run_trial(file)
result

# %%
result.to_frame().iloc[:, :8]

# %%
# Power by how well prophylaxis works, for all comers and for those above a risk of 0.3.
figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
result.plot_power(ax=axes)
