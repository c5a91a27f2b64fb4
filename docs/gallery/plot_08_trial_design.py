"""
# Design a trial

Exact statistics by formula, then the same design simulated patient by patient.
"""

import crsrisk as crs

size = crs.trials.sample_size_two_proportions(0.25, 0.125, power=0.8)
size

# %%
# Three looks with O'Brien-Fleming bounds.
bounds = crs.trials.group_sequential_bounds(n_looks=3, alpha=0.025)
bounds

# %%
# A design file is a plan: candidates, screening, designs. This one is small, so that it runs fast.
from crsrisk.folders import experiments_folder

result = crs.run_trial(experiments_folder() / "010_trial_designs" / "design.yaml", n_trials=2000)
result.to_frame()

# %%
result.plot_power()
