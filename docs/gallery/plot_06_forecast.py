"""
# Forecast a trial

What a trial of 40 patients would report. One set of assumptions gives one number; here every member
of the ensemble, sets of assumptions that published trials cannot tell apart, simulates the product.
The intervals are wide because so little is known. Synthetic data, no external validation.
"""

import matplotlib.pyplot as plt

import crsrisk as crs

forecast = crs.forecast("tarlatamab", trial_size=40, n_patients=32)

# %%
# Medians with 95% predictive intervals, which hold assumptions, differences between trials and
# chance; beside them what assumptions alone leave open.
forecast

# %%
figure, axes = plt.subplots(figsize=(8, 2.4), layout="constrained")
forecast.plot(ax=axes)

# %%
# Hours to the onset of CRS.
figure, axes = plt.subplots(figsize=(8, 1.2), layout="constrained")
forecast.plot("onset", ax=axes)
