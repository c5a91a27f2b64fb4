"""
# Train a model and compare it with plain LightGBM

A classifier on the clinical table, as measured. How much it has learnt of what can be known is told
by the simulator, which gives every test patient many futures.
"""

import lightgbm as lgb
from sklearn.base import BaseEstimator, ClassifierMixin

import crsrisk as crs

world = crs.load_world("reference")
cohort = crs.simulate(["tarlatamab", "tebentafusp"], n=2000, seed=1, world=world)
train, test = cohort.split(test_size=0.3, seed=1)

model = crs.CRSRiskClassifier(config="baseline", random_state=1).fit(train.X, train.y)
model.model_

# %%
# Rows that the model warns about or refuses are listed before anything is predicted.
model.check(test.X).head()


# %%
# Plain LightGBM on the same columns, with its default settings. Any classifier of scikit-learn that
# takes the clinical table can stand in the benchmark.
class PlainLightGBM(ClassifierMixin, BaseEstimator):
    def fit(self, X, y):
        self.columns_ = X.select_dtypes(["number", "bool"]).columns
        self.trees_ = lgb.LGBMClassifier(random_state=1, verbose=-1, n_jobs=1)
        self.trees_.fit(self._table(X), y)
        self.classes_ = self.trees_.classes_
        return self

    def predict_proba(self, X):
        return self.trees_.predict_proba(self._table(X))

    def _table(self, X):
        return X[self.columns_].astype(float).assign(is_tarlatamab=X["product"] == "tarlatamab")


plain = PlainLightGBM().fit(train.X, train.y)

# %%
# Against what happened to the test patients. AUROC is within products: it compares patients of the
# same product, where knowing the product earns nothing.
for name, candidate in {"crsrisk": model, "plain LightGBM": plain}.items():
    risk = candidate.predict_proba(test.X)[:, 1]
    val = crs.evaluate(test.y, risk, groups=test.X["product"], seed=1, n_resamples=50)
    print(f"{name:15} log loss {val.pooled.log_loss}")
    print(f"{'':15} AUROC within products {val.auroc_within_groups}")

# %%
# Against the true risk: simulate 80 of the test patients again and again, given what was observed
# of them. The oracle knows the mechanism; nobody who has these measurements can do better.
truth = crs.true_risk(test.head(80), world=world, n_replicates=60)
candidates = [crs.ProductRate(), crs.RidgeLogistic(), plain, model]
compared = crs.benchmark(candidates, train=train, truth=truth, n_resamples=50)
compared.to_frame()[["log_loss", "auroc_within_product", "auroc"]]

# %%
compared.plot()
