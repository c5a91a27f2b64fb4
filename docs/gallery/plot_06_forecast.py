"""
# Forecast a trial

What a trial of 40 patients would report. One set of assumptions gives one number; here every member
of the ensemble, sets of assumptions that published trials cannot tell apart, simulates the product.
The intervals are wide because so little is known. Synthetic data, no external validation.
"""

import crsrisk as crs

forecast = crs.forecast("tarlatamab", trial_size=40, n_patients=32)
forecast

# %%
# Medians with 95% predictive intervals: assumptions, differences between trials, and chance.
forecast.to_frame()

# %%
forecast.plot()

# %%
# Hours to the onset of CRS.
forecast.plot("onset")
