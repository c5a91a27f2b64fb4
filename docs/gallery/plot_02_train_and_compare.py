"""
# Train a model and compare it with plain LightGBM

A classifier for the clinical table, as measured. How much of what can be known it has learnt is
told by the simulator, which gives each test patient hundreds of futures.
"""

import warnings

import lightgbm as lgb

import crsrisk as crs

warnings.filterwarnings("ignore", message="X does not have valid feature names")

world = crs.load_world()
cohort = crs.simulate(["tarlatamab", "tebentafusp"], n=3000, seed=1, world=world)
train, test = cohort.split(test_size=0.3, seed=1)

model = crs.CRSRiskClassifier(config="baseline", random_state=1).fit(train.X, train.y)
model

# %%
# Rows that the model warns about, or refuses, are told before anything is predicted.
model.check(test.X)["status"].value_counts()

# %%
# Plain LightGBM on the same columns, with its default settings.
plain = lgb.LGBMClassifier(random_state=1, verbose=-1)
numbers = train.X.select_dtypes(["number", "bool"]).columns
plain.fit(train.X[numbers].astype(float), train.y)

risks = {
    "crsrisk": model.predict_proba(test.X)[:, 1],
    "plain LightGBM": plain.predict_proba(test.X[numbers].astype(float))[:, 1],
}
for name, risk in risks.items():
    judged = crs.evaluate(test.y, risk, groups=test.X["product"], seed=1, n_resamples=50)
    print(
        f"{name:16} log loss {judged.pooled.log_loss.value:.3f}, AUROC within products "
        f"{judged.auroc_within_groups.value:.3f}"
    )

# %%
# Beside the product's rate, a ridge regression and the oracle that knows what was observed.
few = test.head(150)
truth = crs.true_risk(few, world=world, n_replicates=60)
candidates = [crs.ProductRate(), crs.RidgeLogistic(), model]
compared = crs.benchmark(candidates, train=train, truth=truth)
compared.to_frame()

# %%
compared.plot()
