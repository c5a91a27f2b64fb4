"""
# Explain a risk

Exact Shapley values of the calibrated model against the median patient of the same product, one
reason for each clinical variable. Reasons say how the model weighs what it was told; they are no
proof of cause, and the patients are simulated.
"""

import shap

import crsrisk as crs

cohort = crs.simulate(["tarlatamab", "tebentafusp"], n=200, seed=2)
model = crs.load_model("baseline-0.1.0")
explanation = model.explain(cohort.X)
for reason in explanation.reasons(0)[:4]:
    print(reason.sentence)

# %%
# One patient as a picture: what raises the risk and what lowers it, in points of 100.
explanation.plot(0)

# %%
# All patients: how far each variable moves the risk, on average.
explanation.plot_importance()

# %%
# Every plot of the shap package takes path-dependent values, which start from the average over all
# products; here without what is a word and so has no
# high and low.
values = explanation.to_shap()
numbers = [at for at, name in enumerate(values.feature_names) if name != "Product"]
axes = shap.plots.beeswarm(values[:, numbers], show=False, plot_size=(8, 5))
axes.figure.subplots_adjust(left=0.32, bottom=0.12)
