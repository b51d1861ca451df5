"""Simple scikit-learn models that a network must beat on the same examples."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, PredefinedSplit
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

RIDGE_STRENGTHS = (0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)


def ridge_predictions(
    train: tuple[np.ndarray, np.ndarray], validation: tuple[np.ndarray, np.ndarray], test_inputs: np.ndarray
) -> np.ndarray:
    """Return predictions of a ridge regression, its penalty chosen by the validation split, fitted to both splits.

    Each of the two is `(inputs, targets)`. Inputs are `(examples, features)`, targets `(examples, outputs)`, and so are
    the predictions, float64.
    """
    inputs, targets = (np.concatenate(parts).astype("float64") for parts in zip(train, validation, strict=True))
    # The one fold fits to the examples marked -1 and scores those marked 0.
    fold = PredefinedSplit(np.repeat([-1, 0], [len(train[0]), len(validation[0])]))
    search = GridSearchCV(Ridge(), {"alpha": RIDGE_STRENGTHS}, scoring="neg_mean_squared_error", cv=fold)
    # scikit-learn drops the axis of a single output.
    return search.fit(inputs, targets).predict(np.asarray(test_inputs, "float64")).reshape(len(test_inputs), -1)


def fit_ngram_classifier(texts: Sequence[str], labels: np.ndarray) -> Any:
    """Return a linear support vector machine on character n-grams of lengths 1 to 4, whose `predict` takes texts.

    `labels` has the class of each text, integers `(texts,)`; `predict` returns such an array.
    """
    ngrams = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4), lowercase=False, sublinear_tf=True)
    return make_pipeline(ngrams, LinearSVC(random_state=0)).fit(texts, labels)
