"""
# Forecast a trial

What a trial of 40 patients would report, over the assumptions that the published evidence leaves
standing. The intervals are wide because that is what is known.
"""

import crsrisk as crs

forecast = crs.forecast("tarlatamab", trial_size=40, n_patients=32)
forecast

# %%
forecast.to_frame()

# %%
forecast.plot()
