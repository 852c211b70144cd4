"""A sample of the tables whose programs differentiate other packages' functions."""

from __future__ import annotations

import numpy as np
import pytest
from search.rows import Row, outcome

from gradcore.backends import get

sklearn = pytest.importorskip("sklearn", minversion="1.9")
pytest.importorskip("array_api_extra", minversion="0.11")
from search import extra_functions, sklearn_functions

SAMPLE = [
    "StandardScaler", "PCA whitened", "RidgeCV", "LinearDiscriminantAnalysis of 3",
    "GaussianNB, weighted", "GaussianMixture full", "rbf_kernel of itself",
    "r2_score", "extmath.softmax",
]  # fmt: skip


def rows(table: list[Row], names: list[str]) -> list[pytest.param]:
    return [pytest.param(row, id=row.name) for row in table if row.name in names]


@pytest.mark.parametrize("row", rows(sklearn_functions.ROWS, SAMPLE))
def test_estimators_of_scikit_learn_have_right_gradients(row: Row) -> None:
    with sklearn.config_context(array_api_dispatch=True), np.errstate(invalid="ignore"):
        assert outcome(row, get("numpy")) == ("right", "")


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in extra_functions.ROWS])
def test_functions_of_array_api_extra_have_right_gradients(row: Row) -> None:
    expected = "refuses" if "lazy_apply of" in row.name else "right"
    with np.errstate(invalid="ignore", divide="ignore"):
        assert outcome(row, get("numpy"))[0] == expected


def test_a_wrong_gradient_is_found_and_a_refusal_is_told_from_a_failure() -> None:
    x = np.array([1.0, 2.0])
    wrong = Row("wrong", lambda x: x * (x.value if hasattr(x, "value") else x), x)
    assert outcome(wrong, get("numpy"))[0] == "WRONG"
    assert outcome(Row("number", lambda x: float(x[0]), x), get("numpy"))[0] == "refuses"
    assert outcome(Row("missing", lambda x: x + x.nothing if hasattr(x, "value") else x, x),
                   get("numpy"))[0] == "fails"  # fmt: skip
