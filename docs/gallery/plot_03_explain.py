"""
# Explain a risk

Exact Shapley values of the calibrated model, one reason for each clinical variable. They are about
the model, no proof about the patient.
"""

import crsrisk as crs

cohort = crs.simulate(["tarlatamab", "tebentafusp"], n=400, seed=2)
model = crs.load_model("baseline-0.1.0")
explanation = model.explain(cohort.X.head(200))
for reason in explanation.reasons(0)[:4]:
    print(reason.sentence)

# %%
# One patient as a picture: what raises the risk and what lowers it, in points of 100.
explanation.plot(0)

# %%
# All patients: the mean size of each variable's contribution.
explanation.plot_importance()

# %%
# Every plot of the shap package works.
import shap

shap.plots.beeswarm(explanation.to_shap(), show=False)
