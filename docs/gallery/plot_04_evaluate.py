"""
# Evaluate a model

As clinical prediction models are evaluated: discrimination within products, calibration, net
benefit, each with its interval. The patients are simulated, so this shows the method; it validates
nothing.
"""

import crsrisk as crs

cohort = crs.simulate(["tarlatamab", "tebentafusp", "cldn182_car_t"], n=1200, seed=3)
model = crs.load_model("baseline-0.1.0")
risk = model.predict_proba(cohort.X, outside_training=True)[:, 1]  # 1 of 1,000 lies too far out
val = crs.evaluate(cohort.y, risk, groups=cohort.X["product"], seed=1, n_resamples=100)
val

# %%
# Every figure with its 95% interval, over all patients and for each product. What cannot be
# estimated says why.
val.to_frame().head(12)

# %%
# Of 100 patients with a predicted risk of 30%, do 30 have the event?
val.plot_calibration()

# %%
# Does acting on the risk do more good than treating everybody or nobody?
val.plot_decision_curve()
