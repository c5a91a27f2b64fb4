"""
# A first cohort

Simulate patients under two products and look at what happened.
"""

from crsrisk.data.world import load_world
from crsrisk.data.world_files import load_product
from crsrisk.simulation.arm import make_arm
from crsrisk.simulation.cohort import simulate_cohort

world = load_world()
cohort = simulate_cohort([make_arm(load_product("tarlatamab"), world=world)], world=world, n_patients=200, seed=1)
cohort.outcomes.head()

# %%
# ## Onset

import matplotlib.pyplot as plt

fig, ax = plt.subplots()
ax.hist(cohort.outcomes["onset_h"].dropna())
