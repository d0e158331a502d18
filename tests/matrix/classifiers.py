"""Every classifier of scikit-learn, with the options that change what it computes, and classes of every type."""

from __future__ import annotations

from sklearn import (
    discriminant_analysis,
    dummy,
    ensemble,
    gaussian_process,
    naive_bayes,
    neighbors,
    neural_network,
    semi_supervised,
    svm,
    tree,
)
from sklearn import linear_model as lm
from sklearn.gaussian_process import kernels

from tests.matrix.case import Case, fits

_SEED = {"random_state": 0}
_SMALL = {"n_estimators": 12, "random_state": 0}


def linear_classifiers() -> list[Case]:
    family = "linear classifiers"
    both = [
        lm.LogisticRegression(max_iter=2000),
        lm.LogisticRegressionCV(max_iter=2000, cv=3, use_legacy_attributes=False, l1_ratios=(0,), scoring="accuracy"),
        lm.PassiveAggressiveClassifier(**_SEED),
        lm.Perceptron(**_SEED),
        lm.RidgeClassifier(),
        lm.RidgeClassifierCV(),
        lm.SGDClassifier(**_SEED),
        lm.SGDClassifier(loss="log_loss", **_SEED),
        lm.SGDClassifier(loss="modified_huber", **_SEED),
        lm.SGDClassifier(loss="squared_hinge", **_SEED),
        svm.LinearSVC(),
        discriminant_analysis.LinearDiscriminantAnalysis(),
        discriminant_analysis.QuadraticDiscriminantAnalysis(reg_param=0.01),
    ]
    three = [
        lm.LogisticRegression(solver="saga", l1_ratio=1, C=0.5, **_SEED, max_iter=5000, tol=1e-3),
        lm.LogisticRegression(solver="newton-cg", fit_intercept=False),
        discriminant_analysis.LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"),
        discriminant_analysis.LinearDiscriminantAnalysis(solver="eigen"),
        discriminant_analysis.QuadraticDiscriminantAnalysis(reg_param=0.1),
        svm.LinearSVC(multi_class="crammer_singer"),
    ]
    two = [lm.LogisticRegression(solver="liblinear"), lm.SGDClassifier(loss="perceptron", **_SEED)]
    return [
        *fits(family, "scaled, three classes", *both, *three),
        *fits(family, "scaled, two classes", *both, *two),
    ]


def tree_classifiers() -> list[Case]:
    family = "tree classifiers"
    both = [
        tree.DecisionTreeClassifier(**_SEED),
        tree.ExtraTreeClassifier(**_SEED),
        ensemble.RandomForestClassifier(**_SMALL),
        ensemble.ExtraTreesClassifier(**_SMALL),
        ensemble.GradientBoostingClassifier(**_SMALL),
        ensemble.HistGradientBoostingClassifier(max_iter=15, **_SEED),
        ensemble.AdaBoostClassifier(**_SMALL),
        ensemble.BaggingClassifier(**_SMALL),
    ]
    three = [
        tree.DecisionTreeClassifier(criterion="entropy", max_depth=4, **_SEED),
        tree.DecisionTreeClassifier(ccp_alpha=0.01, **_SEED),
        ensemble.RandomForestClassifier(class_weight="balanced", max_features=None, **_SMALL),
        ensemble.RandomForestClassifier(criterion="log_loss", bootstrap=False, **_SMALL),
        ensemble.GradientBoostingClassifier(init="zero", **_SMALL),
        ensemble.GradientBoostingClassifier(init=lm.LogisticRegression(), **_SMALL),
        ensemble.HistGradientBoostingClassifier(max_iter=15, categorical_features=[0], **_SEED),
        ensemble.HistGradientBoostingClassifier(
            max_iter=15, learning_rate=0.5, max_depth=2, early_stopping=True, **_SEED
        ),
    ]
    two = [
        ensemble.GradientBoostingClassifier(loss="exponential", **_SMALL),
        ensemble.HistGradientBoostingClassifier(max_iter=15, monotonic_cst=[1, 0, -1, 0, 0, 0], **_SEED),
    ]
    holed = [both[0], both[2], both[3], both[5], both[7]]
    return [
        *fits(family, "three classes", *both, *three[:6], three[7]),
        *fits(family, "small integers, three classes", three[6]),
        *fits(family, "two classes", *both, *two),
        *fits(family, "missing, three classes", *holed),
        *fits(family, "float32, three classes", both[0], both[2], both[4], both[5]),
        *fits(family, "iris", both[2], both[5]),
        *fits(family, "several targets", both[0], both[2]),
        *fits(family, "multilabel", both[0], both[3]),
    ]


def other_classifiers() -> list[Case]:
    family = "other classifiers"
    matern = kernels.Matern(nu=1.5) + kernels.WhiteKernel()
    both = [
        dummy.DummyClassifier(),
        gaussian_process.GaussianProcessClassifier(**_SEED),
        naive_bayes.GaussianNB(),
        neighbors.KNeighborsClassifier(),
        neighbors.NearestCentroid(),
        neural_network.MLPClassifier((12, 6), max_iter=300, **_SEED),
        semi_supervised.LabelPropagation(),
        semi_supervised.LabelSpreading(),
        svm.NuSVC(nu=0.2),
        svm.SVC(),
    ]
    three = [
        dummy.DummyClassifier(strategy="most_frequent"),
        dummy.DummyClassifier(strategy="uniform", **_SEED),
        dummy.DummyClassifier(strategy="constant", constant=1),
        gaussian_process.GaussianProcessClassifier(matern, **_SEED),
        gaussian_process.GaussianProcessClassifier(multi_class="one_vs_one", **_SEED),
        naive_bayes.BernoulliNB(),
        neighbors.KNeighborsClassifier(7, weights="distance"),
        neighbors.KNeighborsClassifier(3, metric="manhattan"),
        neighbors.KNeighborsClassifier(4, p=3, algorithm="brute"),
        neighbors.KNeighborsClassifier(metric="cosine"),
        neighbors.NearestCentroid(metric="manhattan"),
        neighbors.NearestCentroid(shrink_threshold=0.2),
        neighbors.RadiusNeighborsClassifier(20.0, outlier_label="most_frequent"),
        neighbors.RadiusNeighborsClassifier(5.0, outlier_label=0, weights="distance"),
        neural_network.MLPClassifier((8,), activation="tanh", max_iter=300, **_SEED),
        neural_network.MLPClassifier((8,), activation="logistic", max_iter=300, **_SEED),
        neural_network.MLPClassifier((8,), activation="identity", max_iter=300, **_SEED),
        semi_supervised.LabelPropagation(kernel="knn"),
        svm.SVC(kernel="linear"),
        svm.SVC(kernel="poly", degree=2, coef0=1.0),
        svm.SVC(kernel="sigmoid"),
        svm.SVC(decision_function_shape="ovo", gamma=0.1),
        svm.SVC(break_ties=True),
        svm.SVC(class_weight="balanced", gamma="auto"),
    ]
    counted = [naive_bayes.MultinomialNB(), naive_bayes.ComplementNB(), naive_bayes.ComplementNB(norm=True)]
    return [
        *fits(family, "scaled, three classes", *both, *three),
        *fits(family, "scaled, two classes", *both),
        *fits(family, "positive numbers, three classes", *counted),
        *fits(family, "small integers, three classes", naive_bayes.CategoricalNB(), neighbors.KNeighborsClassifier()),
        *fits(family, "several targets", neighbors.KNeighborsClassifier(3)),
        *fits(family, "multilabel", neural_network.MLPClassifier((8,), max_iter=200, **_SEED), lm.RidgeClassifier()),
        *fits(family, "iris", svm.SVC(), neighbors.KNeighborsClassifier(), naive_bayes.GaussianNB()),
    ]


def labels() -> list[Case]:
    """Classes of every type."""
    models = [lm.LogisticRegression(max_iter=2000), ensemble.RandomForestClassifier(**_SMALL), svm.SVC(gamma=0.01)]
    kinds = ["text labels", "object labels", "negative labels", "float labels", "uint8 labels", "large labels"]
    kinds += ["boolean labels", "two text labels"]
    return [case for kind in kinds for case in fits("labels", kind, *models)]


GROUPS = [linear_classifiers, tree_classifiers, other_classifiers, labels]
