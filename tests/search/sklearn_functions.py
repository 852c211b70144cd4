"""Differentiate scikit-learn's functions and estimators as they are, by way of the array API.

    python tests/search/sklearn_functions.py                   all
    python tests/search/sklearn_functions.py --only PCA        some; --show prints tracebacks
    python tests/search/sklearn_functions.py --backend strict  nodes of another library's arrays

rows.py says what the words mean. Needs `pip install scikit-learn scipy`.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["SCIPY_ARRAY_API"] = "1"  # SciPy looks when it is imported
if __name__ == "__main__":
    tests = Path(__file__).parents[1]
    sys.path[:0] = [str(tests.parent), str(tests), str(tests / "helpers")]
    import program  # noqa: F401

import numpy as np
import sklearn
from search.rows import Row, like, main
from sklearn import metrics
from sklearn import preprocessing as pre
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import (
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
    RidgeClassifierCV,
    RidgeCV,
)
from sklearn.metrics import pairwise
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import cross_val_predict, train_test_split
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline, make_union
from sklearn.utils import extmath

__all__ = ["EXPLAINED", "ROWS"]

Call = Callable[[Any], Any]

RNG = np.random.default_rng(7)
X = RNG.normal(size=(12, 3)) + np.repeat([[0.0, 0.0, 0.0], [2.0, 1.0, -1.0]], 6, axis=0)
Z = RNG.normal(size=(5, 3))
Y = np.repeat([0, 1], 6)  # classes
Y3 = np.repeat([0, 1, 2], 4)
T = X @ np.array([1.0, -0.5, 0.3]) + 0.1 * RNG.normal(size=12)  # targets
T2 = RNG.uniform(0.5, 2.0, size=(12, 3))
P = RNG.uniform(0.2, 0.8, size=(12, 3))
Q = np.array([0.3, 0.4, 0.1, 0.6, 0.2, 0.35, 0.7, 0.5, 0.8, 0.45, 0.9, 0.65])  # of class 1
W = RNG.uniform(0.5, 1.5, size=12)  # weights of samples
MEANS = np.array([[0.1, 0.2, 0.0], [1.9, 0.8, -1.1]])


def _found(model: Any, names: tuple[str, ...], x: Any) -> list[Any]:
    """Give attributes of the model, and what its methods give for x."""
    return [f(x) if callable(f := getattr(model, name)) else f for name in names]


def fit(estimator: Any, y: Any, *names: str, **weights: Any) -> Call:
    """Fit to x, and to the constants y."""

    def call(x: Any) -> Any:
        extra = {name: like(x, w) for name, w in weights.items()}
        model = clone(estimator).fit(x, None if y is None else like(x, y), **extra)
        return _found(model, names, x)

    return call


def of_targets(estimator: Any, *names: str) -> Call:
    """Fit to the constants X and to targets, with respect to which is differentiated."""
    return lambda y: _found(clone(estimator).fit(like(y, X), y), names, like(y, X))


def of_weights(estimator: Any, y: Any, *names: str) -> Call:
    """Fit to constants, with weights of the samples, with respect to which is differentiated."""

    def call(w: Any) -> Any:
        model = clone(estimator).fit(like(w, X), like(w, y), sample_weight=w)
        return _found(model, names, like(w, X))

    return call


def apply(estimator: Any, y: Any, *names: str) -> Call:
    """Fit to constants, and give what methods give for x."""

    def call(x: Any) -> Any:
        model = clone(estimator).fit(like(x, X), None if y is None else like(x, y))
        return _found(model, names, x)

    return call


def inverse(estimator: Any) -> Call:
    """Fit to constants; transform x, square, and transform back."""

    def call(x: Any) -> Any:
        model = clone(estimator).fit(like(x, X))
        return model.inverse_transform(model.transform(x) ** 2)

    return call


def mixture(kind: str, to_constants: bool = False, **options: Any) -> Call:
    """Fit a mixture, with random responsibilities; the lower bound is a node."""
    names = "weights_", "means_", "covariances_", "precisions_cholesky_", "lower_bound_"
    names = () if to_constants else names
    settings = {"init_params": "random", "random_state": 0, "max_iter": 5, "tol": 0.0} | options

    def call(x: Any) -> Any:
        given = {name: like(x, start) for name, start in settings.items() if name in STARTS}
        model = GaussianMixture(2, covariance_type=kind, **settings | given)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", sklearn.exceptions.ConvergenceWarning)
            model.fit(like(x, X) if to_constants else x)
        return _found(model, (*names, "score_samples", "predict_proba"), x)

    return call


STARTS = ("means_init", "precisions_init", "weights_init")


def pairs(name: str, x: np.ndarray = X, **options: Any) -> Row:
    others = Z if x is X else T2[:4]
    return Row(name, lambda a: getattr(pairwise, name)(a, like(a, others), **options), x)


def paired(name: str) -> Row:
    return Row(name, lambda a: getattr(pairwise, name)(a, like(a, T2)), X)


def raw(name: str) -> Row:
    """A metric of regression, of each output by itself: the mean of these is Python's number."""
    metric = getattr(metrics, name)
    return Row(name, lambda p: metric(like(p, T2), p, multioutput="raw_values"), P)


def number(name: str, y: Any, x: np.ndarray, **options: Any) -> Row:
    """A metric that gives Python's number."""
    metric = getattr(metrics, name)
    return Row(f"{name}, a number", lambda p: metric(like(p, y), p, **options), x)


full, pca = PCA(svd_solver="full"), PCA(2, svd_solver="full")
white = PCA(2, whiten=True, svd_solver="full")
by_covariance = PCA(2, svd_solver="covariance_eigh")
SKETCH = {"n_oversamples": 1, "random_state": 0, "power_iteration_normalizer": "QR"}
at_random = PCA(2, svd_solver="randomized", **SKETCH)
lda, nb, ridge = LinearDiscriminantAnalysis(), GaussianNB(), Ridge(0.7, solver="svd")
logistic, poisson = LogisticRegression(tol=1e-10), PoissonRegressor(tol=1e-10)
tempered = CalibratedClassifierCV(lda, method="temperature", cv=2)
probabilities = ("predict_proba", "predict_log_proba", "decision_function")
several = make_pipeline(pre.StandardScaler(), pca, ridge)
union = make_union(pre.StandardScaler(), pre.MaxAbsScaler())

# fmt: off
ROWS = [
    # preprocessing
    Row("StandardScaler", fit(pre.StandardScaler(), None, "transform", "mean_", "var_"), X),
    Row("StandardScaler, weighted", fit(pre.StandardScaler(), Y, "transform", sample_weight=W), X),
    Row("StandardScaler by weights", of_weights(pre.StandardScaler(), Y, "mean_", "var_"), W),
    Row("StandardScaler.inverse_transform", inverse(pre.StandardScaler()), X),
    Row("MinMaxScaler", fit(pre.MinMaxScaler((1, 3)), None, "transform", "data_range_"), X),
    Row("MinMaxScaler, clipped", apply(pre.MinMaxScaler(clip=True), None, "transform"), X * 1.1),
    Row("MinMaxScaler.inverse_transform", inverse(pre.MinMaxScaler()), X),
    Row("MaxAbsScaler", fit(pre.MaxAbsScaler(), None, "transform", "scale_"), X),
    Row("MaxAbsScaler.inverse_transform", inverse(pre.MaxAbsScaler()), X),
    Row("Normalizer l1", fit(pre.Normalizer("l1"), None, "transform"), X),
    Row("Normalizer l2", fit(pre.Normalizer("l2"), None, "transform"), X),
    Row("Normalizer max", fit(pre.Normalizer("max"), None, "transform"), X),
    Row("normalize", lambda x: pre.normalize(x, axis=0, return_norm=True), X),
    Row("minmax_scale", lambda x: pre.minmax_scale(x), X),
    Row("KernelCenterer", lambda x: pre.KernelCenterer().fit_transform(x @ x.T), X),
    Row("PolynomialFeatures", fit(pre.PolynomialFeatures(3), None, "transform"), X),
    Row("PolynomialFeatures, interactions",
        fit(pre.PolynomialFeatures(interaction_only=True), None, "transform"), X),
    # decompositions, kernels
    Row("PCA", fit(full, None, "transform", "explained_variance_", "components_", "mean_"), X),
    Row("PCA whitened", fit(white, None, "transform", "noise_variance_"), X),
    Row("PCA covariance_eigh", fit(by_covariance, None, "transform"), X),
    Row("PCA randomized", fit(at_random, None, "transform"), X),
    Row("PCA.score_samples", fit(pca, None, "score_samples"), X),
    Row("PCA.get_covariance", lambda x: clone(pca).fit(x).get_covariance(), X),
    Row("PCA.get_precision", lambda x: clone(pca).fit(x).get_precision(), X),
    Row("PCA.inverse_transform", inverse(pca), X),
    Row("PCA, fitted", apply(white, None, "transform"), X),
    Row("Nystroem", fit(Nystroem(n_components=4, random_state=0), None, "transform"), X),
    # linear models
    Row("Ridge", fit(ridge, T, "coef_", "intercept_", "predict"), X),
    Row("Ridge by targets", of_targets(ridge, "coef_", "intercept_", "predict"), T),
    Row("Ridge, weighted", fit(ridge, T, "coef_", "predict", sample_weight=W), X),
    Row("Ridge by weights", of_weights(ridge, T, "coef_", "intercept_"), W),
    Row("RidgeCV", fit(RidgeCV([0.1, 1.0]), T, "coef_", "intercept_", "predict"), X),
    Row("RidgeCV by targets", of_targets(RidgeCV([0.1, 1.0]), "coef_", "predict"), T),
    Row("RidgeClassifier", fit(RidgeClassifier(solver="svd"), Y, "decision_function"), X),
    Row("RidgeClassifierCV", fit(RidgeClassifierCV([0.1, 1.0]), Y, "decision_function"), X),
    Row("LogisticRegression", fit(logistic, Y, "coef_", "predict_proba"), X),
    Row("LogisticRegression, fitted", apply(logistic, Y, *probabilities), X),
    Row("LogisticRegression of 3, fitted", apply(logistic, Y3, *probabilities), X),
    Row("PoissonRegressor", fit(poisson, abs(T), "coef_", "predict"), X),
    Row("PoissonRegressor, fitted", apply(poisson, abs(T), "predict"), X),
    # classes
    Row("LinearDiscriminantAnalysis", fit(lda, Y, *probabilities, "coef_", "transform"), X),
    Row("LinearDiscriminantAnalysis of 3", fit(lda, Y3, *probabilities, "means_"), X),
    Row("LinearDiscriminantAnalysis, fitted", apply(lda, Y, *probabilities, "transform"), X),
    Row("GaussianNB", fit(nb, Y, "predict_proba", "predict_joint_log_proba", "theta_", "var_"), X),
    Row("GaussianNB, weighted", fit(nb, Y, "predict_log_proba", "var_", sample_weight=W), X),
    Row("GaussianNB by weights", of_weights(nb, Y, "predict_proba", "theta_", "var_"), W),
    Row("GaussianNB, fitted", apply(nb, Y, "predict_proba"), X),
    Row("CalibratedClassifierCV, fitted", apply(tempered, Y, "predict_proba"), X),
    *[Row(f"GaussianMixture {kind}", mixture(kind), X)
      for kind in ("full", "tied", "diag", "spherical")],
    Row("GaussianMixture, 2 starts", mixture("full", n_init=2), X),
    Row("GaussianMixture from data", mixture("diag", init_params="random_from_data"), X),
    Row("GaussianMixture from means", mixture("full", means_init=MEANS), X),
    Row("GaussianMixture, fitted", mixture("full", to_constants=True), X),
    Row("GaussianMixture by means", lambda m: GaussianMixture(
        2, means_init=m, init_params="random", random_state=0).fit(like(m, X)).means_, MEANS),
    # several together
    Row("make_pipeline", fit(several, T, "predict"), X),
    Row("make_union", lambda x: clone(union).fit_transform(x), X),
    Row("cross_val_predict", lambda x: cross_val_predict(ridge, x, like(x, T), cv=3), X),
    Row("train_test_split", lambda x: train_test_split(x, random_state=0), X),
    # metrics of pairs
    pairs("euclidean_distances"), pairs("euclidean_distances", squared=True),
    pairs("manhattan_distances"), pairs("cosine_distances"), pairs("cosine_similarity"),
    pairs("linear_kernel"), pairs("polynomial_kernel"), pairs("rbf_kernel"),
    pairs("sigmoid_kernel"), pairs("laplacian_kernel"), pairs("chi2_kernel", P),
    pairs("additive_chi2_kernel", P), paired("paired_euclidean_distances"),
    paired("paired_manhattan_distances"), paired("paired_cosine_distances"),
    pairs("pairwise_distances", metric="manhattan"), pairs("pairwise_kernels", metric="rbf"),
    Row("euclidean_distances of itself", lambda x: pairwise.euclidean_distances(x), X),
    Row("rbf_kernel of itself", lambda x: pairwise.rbf_kernel(x), X),
    # metrics of regression
    raw("mean_squared_error"), raw("mean_absolute_error"), raw("mean_absolute_percentage_error"),
    raw("mean_squared_log_error"), raw("root_mean_squared_error"),
    raw("root_mean_squared_log_error"), raw("mean_pinball_loss"), raw("median_absolute_error"),
    raw("r2_score"), raw("explained_variance_score"), raw("d2_pinball_score"),
    raw("d2_absolute_error_score"),
    Row("mean_squared_error by weights", lambda w: metrics.mean_squared_error(
        like(w, T2), like(w, P), sample_weight=w, multioutput="raw_values"), W),
    Row("r2_score by weights", lambda w: metrics.r2_score(
        like(w, T2), like(w, P), sample_weight=w, multioutput="raw_values"), W),
    number("mean_squared_error", T2, P), number("mean_tweedie_deviance", W, Q, power=1.5),
    number("log_loss", Y, Q), number("brier_score_loss", Y, Q),
    Row("calinski_harabasz_score, a number",
        lambda x: metrics.calinski_harabasz_score(x, like(x, Y)), X),
    Row("davies_bouldin_score, a number", lambda x: metrics.davies_bouldin_score(x, like(x, Y)), X),
    # metrics of classes: thresholds
    Row("precision_recall_curve", lambda p: metrics.precision_recall_curve(like(p, Y), p), Q),
    Row("roc_curve", lambda p: metrics.roc_curve(
        like(p, Y), p, drop_intermediate=False)[2][1:], Q),
    Row("det_curve", lambda p: metrics.det_curve(like(p, Y), p)[2][:-1], Q),
    Row("confusion_matrix by weights", lambda w: metrics.confusion_matrix(
        like(w, Y), like(w, Y3 > 1), sample_weight=w, normalize="all"), W),
    # utilities
    Row("extmath.softmax", lambda x: extmath.softmax(x), X),
    Row("extmath.row_norms", lambda x: extmath.row_norms(x), X),
    Row("extmath.fast_logdet", lambda x: extmath.fast_logdet(x.T @ x), X),
    Row("extmath.safe_sparse_dot", lambda x: extmath.safe_sparse_dot(x, x.T), X),
    Row("extmath.randomized_svd", lambda x: extmath.randomized_svd(x, 2, **SKETCH), X),
]
# fmt: on

EXPLAINED = [
    (", a number", "scikit-learn gives Python's number, float(x)"),
    ("GaussianNB by weights", "scikit-learn adds up the weights as Python's number"),
    ("LogisticRegression", "SciPy's solver, compiled, minimizes Python's numbers"),
    ("PoissonRegressor", "SciPy's solver, compiled, minimizes Python's numbers"),
    ("median_absolute_error", "the standard has no median, so scikit-learn takes NumPy's"),
    ("confusion_matrix by weights", "scikit-learn counts on NumPy's arrays"),
]

if __name__ == "__main__":
    with sklearn.config_context(array_api_dispatch=True):
        raise SystemExit(main(f"scikit-learn {sklearn.__version__}", ROWS, EXPLAINED))
