"""
# A first cohort

Simulate patients with solid tumours under two T-cell engagers, and look at what a hospital knows
before the first dose and at what follows.
"""

import matplotlib.pyplot as plt

import crsrisk as crs

cohort = crs.simulate(["tarlatamab", "tebentafusp"], n=600, seed=1)
cohort

# %%
# `X` is what is known before the first dose, as measured. Names of columns end in their units; an
# empty cell was not measured.
cohort.X[["product", "crp_mg_l", "ferritin_ug_l", "ldh_x_uln", "il6_pg_ml"]].head()

# %%
# `outcomes` says how CRS went: grades after ASTCT 2019, onset in hours after the first dose,
# duration in hours. `y` is what most models predict: grade 2 or more within 21 days.
cohort.outcomes[["crs_any", "crs_grade2plus", "onset_h", "duration_h"]].head()

# %%
# When CRS begins under each product. Both are stepped up within the first weeks, and a first
# episode may come after any of the doses.
figure, axes = plt.subplots(figsize=(6, 3), layout="constrained")
for product, patients in cohort.to_frame().groupby("product"):
    axes.ecdf(patients["onset_h"].dropna() / 24, label=product)
axes.set(xlabel="Days after the first dose", ylabel="Share of those with CRS", xlim=(0, 21))
axes.legend(frameon=False)

# %%
# The same seed gives the same people. With tocilizumab before the first dose only the treatment
# differs, patient by patient.
usual = crs.simulate("tarlatamab", n=400, seed=1)
guarded = crs.simulate("tarlatamab", n=400, seed=1, mitigations=["tocilizumab"])
both = usual.X["crp_mg_l"].equals(guarded.X["crp_mg_l"])
print(f"the same patients: {both}")
print(f"grade 2 or more: {usual.y.mean():.0%} without, {guarded.y.mean():.0%} with tocilizumab")
