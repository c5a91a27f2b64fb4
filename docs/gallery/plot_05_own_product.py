"""
# A product of your own

A product is a text file: construct, kinetics, doses. Take one that ships, change what is different,
and simulate it. The rating guide in synthetic/README.md says how each line is rated.
"""

from pathlib import Path
from tempfile import mkdtemp

import crsrisk as crs
from crsrisk.folders import find

text = find("products", "tarlatamab").read_text(encoding="utf-8")
mine = Path(mkdtemp()) / "my_engager.yaml"
mine.write_text(text.replace("\nname: tarlatamab\n", "\nname: my_engager\n"), encoding="utf-8")
product = crs.load_product(mine)
product

# %%
# The same patients under the step-up regimen and without premedication.
for regimen in product.regimens:
    cohort = crs.simulate([product], n=400, seed=1, regimen=regimen)
    print(
        f"{regimen:24} CRS {cohort.outcomes['crs_any'].mean():.0%}, "
        f"grade >= 2 {cohort.y.mean():.0%}"
    )
