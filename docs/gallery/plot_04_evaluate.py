"""
# Evaluate a model

As clinical statisticians judge: discrimination within products, calibration, net benefit, each with
its interval.
"""

import crsrisk as crs

cohort = crs.simulate(["tarlatamab", "tebentafusp", "cldn182_car_t"], n=1500, seed=3)
model = crs.load_model("baseline-0.1.0")
risk = model.predict_proba(cohort.X)[:, 1]
judged = crs.evaluate(cohort.y, risk, groups=cohort.X["product"], seed=1, n_resamples=100)
judged

# %%
judged.to_frame().head(12)

# %%
# Does a predicted risk of 30% mean 30 events in 100 patients?
judged.plot_calibration()

# %%
# Does acting on the risk do more good than treating everybody or nobody?
judged.plot_decision_curve()
