"""Every regressor, clusterer and outlier detector of scikit-learn, with the options that change what it computes."""

from __future__ import annotations

from sklearn import (
    cluster,
    covariance,
    dummy,
    ensemble,
    gaussian_process,
    isotonic,
    kernel_ridge,
    mixture,
    neighbors,
    neural_network,
    svm,
    tree,
)
from sklearn import linear_model as lm
from sklearn.cross_decomposition import CCA, PLSCanonical, PLSRegression
from sklearn.gaussian_process import kernels

from tests.matrix.case import Case, fits

_SEED = {"random_state": 0}
_SMALL = {"n_estimators": 12, "random_state": 0}


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
        neural_network.MLPRegressor(hidden_layer_sizes=(12,), max_iter=300, **_SEED),
        neural_network.MLPRegressor(hidden_layer_sizes=(8, 4), activation="tanh", max_iter=300, **_SEED),
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
        neural_network.MLPRegressor(hidden_layer_sizes=(8,), max_iter=300, **_SEED),
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


GROUPS = [linear_regressors, tree_regressors, other_regressors, clusterers, outlier_detectors]
