"""
# Who should get prophylaxis?

Each simulated patient's outcome is known with and without tocilizumab, so a rule can be judged by
what it would have done. Harms are weighed in CRS events. This is a design scenario, never advice on
a patient.
"""

import crsrisk as crs

result = crs.evaluate_policies(
    "tarlatamab",
    ["tocilizumab"],
    regimen="label_no_steroid",
    n_patients=200,
    n_replicates=4,
    n_training=400,
    n_members=4,
    seed=1,
)
print(result.summary())

# %%
result.to_frame()

# %%
result.plot()
