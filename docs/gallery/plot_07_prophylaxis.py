"""
# Who should get prophylaxis?

Each simulated patient's course is known with and without tocilizumab, so that a rule can be valued
by what it would have done. Harms are weighed in CRS events. This is a design scenario on synthetic
patients, never advice on a person; the sizes are too small to believe the figures.
"""

import crsrisk as crs

result = crs.evaluate_policies(
    "tarlatamab",
    ["tocilizumab"],
    regimen="label_no_steroid",
    n_patients=200,
    n_replicates=4,
    n_training_per_arm=300,
    n_members=4,
    member_patients=100,
    scenario_patients=200,
    assumption_patients=100,
    n_resamples=50,
    seed=1,
)
print(result.summary())

# %%
# One row a policy, of 100 patients: how many are treated, how many CRS events are averted.
result.to_frame().iloc[:, :8]

# %%
# Net benefit, by how much harm a dose is said to do.
result.plot()
