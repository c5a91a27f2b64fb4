"""The main job as a user types it: one import, from a simulated cohort to a saved model.

Type-checked as a user's script and run, by test_public.py. README shows the same.
"""

import crsrisk as crs

world = crs.load_world("reference")
cohort = crs.simulate(["tarlatamab", "tebentafusp"], n=600, seed=1, world=world)
train, test = cohort.split(test_size=0.3, seed=1)

clf = crs.CRSRiskClassifier(config="baseline", max_trees=20, n_folds=2, random_state=1)
clf.fit(train.X, train.y)
risk = clf.predict_proba(test.X)[:, 1]  # clinical columns in, as measured
noticed = clf.check(test.X)  # rows refused or warned about, and why
assert set(noticed["status"]) <= {"warned", "refused"}

ex = clf.explain(test.X.head(50))
reasons: list[crs.Reason] = ex.reasons(0)
sentence: str = reasons[0].sentence
ex.plot(0)

val = crs.evaluate(test.y, risk, groups=test.X["product"], n_resamples=20)
figures: str = val.summary()
if isinstance(val.pooled.auroc, crs.Estimate):
    auroc: float = val.pooled.auroc.value

truth = crs.true_risk(test.head(40), world=world, n_replicates=20)
compared = crs.benchmark(
    [crs.ProductRate(), crs.RidgeLogistic(), clf], train=train, truth=truth, n_resamples=20
)
assert compared.pooled.rows[0].name == "null"

config: crs.ModelConfig = crs.load_config("baseline").replace(name="mine", max_trees=50)
text: str = config.to_yaml()

size = crs.trials.sample_size_two_proportions(0.125, 0.25, power=0.8)

folder = clf.save("my/model")
model: crs.RiskModel = crs.load_model(folder)
assert (model.predict_proba(test.X)[:, 1] == risk).all()
prediction: crs.Prediction = crs.load_model("baseline-0.1.0").predict(test.X.iloc[0])
