"""
# A first cohort

Simulate patients under two T-cell engagers. `X` is what a hospital knows before the first dose, `y`
whether CRS of grade 2 or more came within the window.
"""

import crsrisk as crs

cohort = crs.simulate(["tarlatamab", "tebentafusp"], n=600, seed=1)
cohort

# %%
# The columns carry their units; what is empty was not measured.
cohort.X[["product", "crp_mg_l", "ferritin_ug_l", "ldh_x_uln", "il6_pg_ml"]].head()

# %%
# What happened to them, and when.
cohort.outcomes[["crs_any", "crs_grade2plus", "onset_h", "duration_h"]].head()

# %%
# Onset counts from the first dose. Tebentafusp is given in weekly steps, tarlatamab too.
import matplotlib.pyplot as plt

figure, axes = plt.subplots(figsize=(6, 3), layout="constrained")
for product, patients in cohort.to_frame().groupby("product"):
    axes.ecdf(patients["onset_h"].dropna() / 24, label=product)
axes.set(xlabel="Days after the first dose", ylabel="Share of patients with CRS", xlim=(0, 21))
axes.legend(frameon=False)
