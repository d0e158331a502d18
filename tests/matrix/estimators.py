"""Every estimator of scikit-learn that predicts, with the options that change what it computes."""

from __future__ import annotations

from sklearn import (
    cluster,
    covariance,
    discriminant_analysis,
    dummy,
    ensemble,
    gaussian_process,
    isotonic,
    kernel_ridge,
    mixture,
    naive_bayes,
    neighbors,
    neural_network,
    semi_supervised,
    svm,
    tree,
)
from sklearn import linear_model as lm
from sklearn.cross_decomposition import CCA, PLSCanonical, PLSRegression
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
        discriminant_analysis.QuadraticDiscriminantAnalysis(),
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


def linear_regressors() -> list[Case]:
    family = "linear regressors"
    plain = [
        lm.ARDRegression(),
        lm.BayesianRidge(),
        lm.ElasticNet(),
        lm.ElasticNetCV(cv=3),
        lm.HuberRegressor(max_iter=1000),
        lm.Lars(),
        lm.LarsCV(cv=3),
        lm.Lasso(),
        lm.LassoCV(cv=3),
        lm.LassoLars(),
        lm.LassoLarsCV(cv=3),
        lm.LassoLarsIC(),
        lm.LinearRegression(),
        lm.LinearRegression(positive=True, fit_intercept=False),
        lm.OrthogonalMatchingPursuit(),
        lm.OrthogonalMatchingPursuitCV(cv=3),
        lm.PassiveAggressiveRegressor(**_SEED),
        lm.QuantileRegressor(alpha=0.1),
        lm.RANSACRegressor(**_SEED),
        lm.Ridge(),
        lm.RidgeCV(),
        lm.SGDRegressor(**_SEED),
        lm.SGDRegressor(loss="epsilon_insensitive", penalty="l1", **_SEED),
        lm.TheilSenRegressor(**_SEED),
        svm.LinearSVR(),
    ]
    several = [
        lm.LinearRegression(),
        lm.MultiTaskElasticNet(),
        lm.MultiTaskElasticNetCV(cv=3),
        lm.MultiTaskLasso(),
        lm.MultiTaskLassoCV(cv=3),
        lm.Ridge(),
        CCA(),
        PLSCanonical(),
        PLSRegression(),
    ]
    return [
        *fits(family, "scaled, amount", *plain, PLSRegression(n_components=3)),
        *fits(family, "amount", lm.LinearRegression(), lm.Ridge(alpha=10)),
        *fits(family, "diabetes", lm.LassoCV(cv=3), lm.Ridge()),
        *fits(family, "scaled, two amounts", *several),
        *fits(family, "scaled, counts", lm.PoissonRegressor(), lm.TweedieRegressor(power=1.5)),
        *fits(family, "scaled, positive amounts", lm.GammaRegressor(), lm.TweedieRegressor(power=3)),
        *fits(family, "scaled, positive amounts", lm.TweedieRegressor(power=0, link="log")),
        *fits(family, "scaled, amount", lm.TweedieRegressor()),
    ]


def tree_regressors() -> list[Case]:
    family = "tree regressors"
    plain = [
        tree.DecisionTreeRegressor(**_SEED),
        tree.ExtraTreeRegressor(**_SEED),
        ensemble.RandomForestRegressor(**_SMALL),
        ensemble.ExtraTreesRegressor(**_SMALL),
        ensemble.GradientBoostingRegressor(**_SMALL),
        ensemble.HistGradientBoostingRegressor(max_iter=15, **_SEED),
        ensemble.AdaBoostRegressor(**_SMALL),
        ensemble.BaggingRegressor(**_SMALL),
        tree.DecisionTreeRegressor(criterion="absolute_error", max_depth=4, **_SEED),
        ensemble.RandomForestRegressor(max_features=0.5, max_samples=0.7, **_SMALL),
        ensemble.GradientBoostingRegressor(loss="huber", **_SMALL),
        ensemble.GradientBoostingRegressor(loss="quantile", alpha=0.2, **_SMALL),
        ensemble.GradientBoostingRegressor(loss="absolute_error", **_SMALL),
        ensemble.GradientBoostingRegressor(init="zero", **_SMALL),
        ensemble.GradientBoostingRegressor(init=lm.Ridge(), **_SMALL),
        ensemble.AdaBoostRegressor(loss="square", **_SMALL),
        ensemble.HistGradientBoostingRegressor(loss="absolute_error", max_iter=15, **_SEED),
        ensemble.HistGradientBoostingRegressor(loss="quantile", quantile=0.9, max_iter=15, **_SEED),
    ]
    several = [plain[0], plain[2], plain[3]]
    return [
        *fits(family, "amount", *plain),
        *fits(family, "missing, amount", plain[0], plain[2], plain[3], plain[5], plain[7]),
        *fits(family, "two amounts", *several),
        *fits(family, "large integers, amount", plain[2], plain[4], plain[5]),
        *fits(family, "float32, amount", plain[2], plain[4], plain[5]),
        *fits(family, "counts", tree.DecisionTreeRegressor(criterion="poisson", **_SEED)),
        *fits(family, "counts", ensemble.HistGradientBoostingRegressor(loss="poisson", max_iter=15, **_SEED)),
        *fits(family, "positive amounts", ensemble.HistGradientBoostingRegressor(loss="gamma", max_iter=15, **_SEED)),
    ]


def other_regressors() -> list[Case]:
    family = "other regressors"
    kernel = kernels.ConstantKernel() * kernels.RBF() + kernels.WhiteKernel()
    plain = [
        dummy.DummyRegressor(),
        dummy.DummyRegressor(strategy="quantile", quantile=0.3),
        gaussian_process.GaussianProcessRegressor(**_SEED),
        gaussian_process.GaussianProcessRegressor(kernel, normalize_y=True, **_SEED),
        gaussian_process.GaussianProcessRegressor(
            kernels.RationalQuadratic() + kernels.DotProduct(), alpha=0.1, **_SEED
        ),
        gaussian_process.GaussianProcessRegressor(kernels.Matern(nu=2.5), alpha=0.1, **_SEED),
        kernel_ridge.KernelRidge(),
        kernel_ridge.KernelRidge(kernel="rbf", gamma=0.1),
        kernel_ridge.KernelRidge(kernel="poly", degree=2),
        kernel_ridge.KernelRidge(kernel="laplacian"),
        neighbors.KNeighborsRegressor(),
        neighbors.KNeighborsRegressor(7, weights="distance"),
        neighbors.KNeighborsRegressor(3, metric="manhattan"),
        neighbors.KNeighborsRegressor(3, metric="chebyshev"),
        neighbors.RadiusNeighborsRegressor(20.0),
        neural_network.MLPRegressor((12,), max_iter=300, **_SEED),
        neural_network.MLPRegressor((8, 4), activation="tanh", max_iter=300, **_SEED),
        svm.NuSVR(),
        svm.SVR(),
        svm.SVR(kernel="linear"),
        svm.SVR(kernel="poly", degree=2),
        svm.SVR(kernel="sigmoid"),
    ]
    several = [
        dummy.DummyRegressor(),
        gaussian_process.GaussianProcessRegressor(alpha=0.1, **_SEED),
        kernel_ridge.KernelRidge(),
        neighbors.KNeighborsRegressor(),
        neural_network.MLPRegressor((8,), max_iter=300, **_SEED),
    ]
    return [
        *fits(family, "scaled, amount", *plain),
        *fits(family, "scaled, two amounts", *several),
        *fits(family, "diabetes", svm.SVR(C=50), neighbors.KNeighborsRegressor(weights="distance")),
        *fits(family, "one column, amount", isotonic.IsotonicRegression(out_of_bounds="clip")),
        *fits(family, "one column, amount", isotonic.IsotonicRegression(increasing=False)),
    ]


def clusterers() -> list[Case]:
    models = [
        cluster.AffinityPropagation(**_SEED),
        cluster.AgglomerativeClustering(3),
        cluster.Birch(n_clusters=3),
        cluster.Birch(n_clusters=None),
        cluster.BisectingKMeans(3, **_SEED),
        cluster.DBSCAN(),
        cluster.HDBSCAN(copy=True),
        cluster.KMeans(4, **_SEED),
        cluster.MeanShift(),
        cluster.MiniBatchKMeans(4, **_SEED),
        cluster.OPTICS(),
        cluster.SpectralClustering(3, **_SEED),
        mixture.BayesianGaussianMixture(n_components=3, **_SEED),
        mixture.GaussianMixture(3, **_SEED),
        mixture.GaussianMixture(3, covariance_type="tied", **_SEED),
        mixture.GaussianMixture(3, covariance_type="diag", **_SEED),
        mixture.GaussianMixture(3, covariance_type="spherical", **_SEED),
    ]
    return fits("clusterers", "scaled, three classes", *models)


def outlier_detectors() -> list[Case]:
    models = [
        covariance.EllipticEnvelope(**_SEED),
        ensemble.IsolationForest(**_SMALL),
        ensemble.IsolationForest(contamination=0.1, max_samples=64, max_features=3, **_SMALL),
        neighbors.LocalOutlierFactor(novelty=True),
        neighbors.LocalOutlierFactor(),
        lm.SGDOneClassSVM(**_SEED),
        svm.OneClassSVM(),
        svm.OneClassSVM(kernel="linear"),
        svm.OneClassSVM(gamma=0.1, nu=0.1),
    ]
    return fits("outlier detectors", "numbers", *models)


GROUPS = [
    linear_classifiers,
    tree_classifiers,
    other_classifiers,
    labels,
    linear_regressors,
    tree_regressors,
    other_regressors,
    clusterers,
    outlier_detectors,
]
