"""Estimators that hold others: searches, thresholds, chains, votes, stacks, calibration, bagging, selection."""

from __future__ import annotations

import numpy as np
from sklearn import ensemble, multiclass, multioutput
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.experimental import enable_halving_search_cv  # noqa: F401  # makes the Halving searches importable
from sklearn.feature_selection import RFE, RFECV, SelectFromModel
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import Lasso, LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    TunedThresholdClassifierCV,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PowerTransformer, StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier
from sklearn.svm import SVC, SVR, LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from tests.matrix.case import Case, Fitted, fits
from tests.matrix.data import DATA

_SEED = {"random_state": 0}
LOGISTIC = LogisticRegression(max_iter=2000)
TREE, FOREST = DecisionTreeClassifier(max_depth=4, **_SEED), ensemble.RandomForestClassifier(8, **_SEED)
RIDGE, REGRESSION_TREE = Ridge(), DecisionTreeRegressor(max_depth=4, **_SEED)
SCALED = make_pipeline(StandardScaler(), LOGISTIC)


def of_classifiers() -> list[Case]:
    three = [("lr", LOGISTIC), ("tree", TREE), ("nb", GaussianNB())]
    both = [
        GridSearchCV(TREE, {"max_depth": [2, 3]}, cv=2),
        GridSearchCV(SCALED, {"logisticregression__C": [0.1, 1]}, cv=2),
        RandomizedSearchCV(TREE, {"max_depth": [2, 3, 4]}, n_iter=2, cv=2, **_SEED),
        HalvingGridSearchCV(TREE, {"max_depth": [2, 3]}, cv=2, **_SEED),
        CalibratedClassifierCV(LOGISTIC, cv=3),
        CalibratedClassifierCV(LinearSVC(), cv=3, ensemble=False),
        CalibratedClassifierCV(FOREST, method="isotonic", cv=3),
        CalibratedClassifierCV(FOREST, method="temperature", cv=3),
        ensemble.VotingClassifier(three),
        ensemble.VotingClassifier(three, voting="soft", weights=[1, 2, 1]),
        ensemble.StackingClassifier(three, LogisticRegression(), cv=3),
        ensemble.StackingClassifier(three[:2], TREE, cv=3, passthrough=True, stack_method="predict"),
        ensemble.BaggingClassifier(LOGISTIC, 5, **_SEED),
        ensemble.BaggingClassifier(TREE, 5, max_features=3, bootstrap_features=True, **_SEED),
        ensemble.AdaBoostClassifier(DecisionTreeClassifier(max_depth=2, **_SEED), n_estimators=8, **_SEED),
        ensemble.AdaBoostClassifier(LOGISTIC, n_estimators=4, **_SEED),
        multiclass.OneVsRestClassifier(LOGISTIC),
        multiclass.OneVsRestClassifier(TREE),
        multiclass.OneVsOneClassifier(LOGISTIC),
        multiclass.OneVsOneClassifier(LinearSVC()),
        multiclass.OutputCodeClassifier(LOGISTIC, **_SEED),
        SelfTrainingClassifier(LOGISTIC),
        RFE(LOGISTIC, n_features_to_select=3),
    ]
    two = [
        FixedThresholdClassifier(LOGISTIC, threshold=0.3),
        FixedThresholdClassifier(LinearSVC(), threshold=0.2),
        TunedThresholdClassifierCV(LOGISTIC, **_SEED),
        TunedThresholdClassifierCV(FOREST, scoring="f1", cv=3, **_SEED),
        CalibratedClassifierCV(SVC(), ensemble=False, cv=3),
    ]
    return [
        *fits("wrappers", "scaled, three classes", *both),
        *fits("wrappers", "scaled, two classes", *both[:-1], *two),
        *fits("wrappers", "two text labels", FixedThresholdClassifier(SCALED, pos_label="yes", threshold=0.7)),
        *fits("wrappers", "text labels", ensemble.VotingClassifier(three), multiclass.OneVsRestClassifier(SVC())),
        Case("wrappers", "FrozenEstimator(LogisticRegression)", _frozen),
        Case("wrappers", "CalibratedClassifierCV(FrozenEstimator)", _calibrated_frozen),
        Case("wrappers", "SelfTrainingClassifier · few labels", _few_labels),
    ]


def of_several_outputs() -> list[Case]:
    return [
        *fits(
            "wrappers",
            "multilabel",
            multioutput.ClassifierChain(LOGISTIC, order=[2, 0, 1]),
            multioutput.ClassifierChain(TREE),
            multioutput.MultiOutputClassifier(LOGISTIC),
            multioutput.MultiOutputClassifier(TREE),
            multiclass.OneVsRestClassifier(LOGISTIC),
        ),
        *fits("wrappers", "several targets", multioutput.MultiOutputClassifier(FOREST)),
        *fits(
            "wrappers",
            "scaled, two amounts",
            multioutput.RegressorChain(RIDGE),
            multioutput.RegressorChain(REGRESSION_TREE, order=[1, 0]),
            multioutput.MultiOutputRegressor(RIDGE),
            multioutput.MultiOutputRegressor(SVR()),
            multioutput.MultiOutputRegressor(ensemble.GradientBoostingRegressor(n_estimators=8, **_SEED)),
        ),
    ]


def of_regressors() -> list[Case]:
    three = [("ridge", RIDGE), ("tree", REGRESSION_TREE), ("svr", SVR())]
    models = [
        GridSearchCV(RIDGE, {"alpha": [0.1, 1]}, cv=2),
        RandomizedSearchCV(REGRESSION_TREE, {"max_depth": [2, 3, 4]}, n_iter=2, cv=2, **_SEED),
        ensemble.VotingRegressor(three[:2], weights=[1, 3]),
        ensemble.VotingRegressor(three),
        ensemble.StackingRegressor(three, Ridge(), cv=3),
        ensemble.StackingRegressor(three[:2], ensemble.RandomForestRegressor(8, **_SEED), cv=3, passthrough=True),
        ensemble.BaggingRegressor(RIDGE, 5, **_SEED),
        ensemble.BaggingRegressor(REGRESSION_TREE, 5, max_features=0.5, **_SEED),
        ensemble.AdaBoostRegressor(REGRESSION_TREE, n_estimators=8, **_SEED),
        ensemble.AdaBoostRegressor(RIDGE, n_estimators=4, loss="exponential", **_SEED),
        TransformedTargetRegressor(RIDGE, transformer=StandardScaler()),
        TransformedTargetRegressor(RIDGE, transformer=PowerTransformer()),
        TransformedTargetRegressor(),
        RFE(RIDGE, n_features_to_select=3),
        RFECV(REGRESSION_TREE, cv=3),
        make_pipeline(SelectFromModel(Lasso(0.1)), LinearRegression()),
    ]
    logs = TransformedTargetRegressor(REGRESSION_TREE, func=np.log, inverse_func=np.exp)
    return [
        *fits("wrappers", "scaled, amount", *models),
        *fits("wrappers", "scaled, positive amounts", logs),
        *fits("wrappers", "scaled, counts", TransformedTargetRegressor(RIDGE, func=np.log1p, inverse_func=np.expm1)),
    ]


def _frozen() -> Fitted:
    data = DATA["scaled, three classes"]
    return FrozenEstimator(LOGISTIC.fit(data.rows, data.target)), data.rows


def _calibrated_frozen() -> Fitted:
    data = DATA["scaled, two classes"]
    frozen = FrozenEstimator(FOREST.fit(data.rows[:150], data.target[:150]))
    return CalibratedClassifierCV(frozen).fit(data.rows[150:], data.target[150:]), data.rows


def _few_labels() -> Fitted:
    data = DATA["scaled, three classes"]
    target = np.where(np.arange(len(data.target)) % 3 == 0, data.target, -1)
    return SelfTrainingClassifier(FOREST, threshold=0.8).fit(data.rows, target), data.rows


GROUPS = [of_classifiers, of_several_outputs, of_regressors]
