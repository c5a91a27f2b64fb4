"""
# A product of your own

A product is one YAML file: construct, kinetics, doses, every number with its source. Take the
nearest one that ships, change what is different, and simulate it. The rating guide in
[synthetic/README.md](../../../synthetic/README.md#rating-guide) says how each line is rated.
"""

from pathlib import Path
from tempfile import mkdtemp

import matplotlib.pyplot as plt
from ruamel.yaml import YAML

import crsrisk as crs

described = crs.load_product("tarlatamab").to_dict()
described["name"] = "my_engager"
described["label"] = "My engager (invented: twice the affinity to CD3)"
affinity = described["binding"]["cd3_affinity_nm"]
affinity["value"] = affinity["value"] / 2
affinity["range"] = [affinity["value"] / 3, affinity["value"] * 3]
affinity["source"] = "assumed: an invented example"

place = Path(mkdtemp()) / "my_engager.yaml"
YAML(typ="safe").dump(described, place)
product = crs.load_product(place)
product

# %%
# A slip in the file is refused, with the key, the value and the cure.
described["kinetics"]["bioavailability"]["value"] = 1.4
broken = place.with_name("broken.yaml")
YAML(typ="safe").dump({**described, "name": "broken"}, broken)
try:
    crs.load_product(broken)
except crs.InputError as problem:
    print(problem)

# %%
# The same patients under the product that ships and under ours, each regimen in turn.
rates = {}
for regimen in ("label", "label_no_steroid", "fixed_10mg"):
    for drug in (crs.load_product("tarlatamab"), product):
        cohort = crs.simulate(drug, n=300, seed=1, regimen=regimen)
        rates[regimen, drug.name] = 100 * cohort.y.mean()
        print(f"{regimen:17} {drug.name:11} grade 2 or more {rates[regimen, drug.name]:.0f} of 100")

figure, axes = plt.subplots(figsize=(6, 2.5), layout="constrained")
for drug, marker in (("tarlatamab", "o"), ("my_engager", "s")):
    known = {regimen: rate for (regimen, name), rate in rates.items() if name == drug}
    axes.plot(list(known.values()), list(known), marker, label=drug)
axes.set(xlabel="CRS of grade 2 or more, of 100 simulated patients", xlim=(0, 100))
axes.legend(frameon=False)
