"""Simple models, by scikit-learn, that a network must beat on the same examples."""

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

RIDGE_STRENGTHS = (0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)


def ridge_predictions(train, validation, test_inputs):
    """Return what a ridge regression predicts, its strength chosen by the validation, then fitted to that, too.

    Args:
        train: `(inputs, targets)`, both with an entry for each example; inputs `(examples, features)`, targets
            `(examples, outputs)`.
        validation: Of the same kind.
        test_inputs: `(examples, features)`.

    Returns:
        `(examples, outputs)`, float64.
    """

    def predictions(strength, fitted_to, inputs):
        model = Ridge(strength).fit(*(np.asarray(part, "float64") for part in fitted_to))
        # scikit-learn drops the axis of a single output.
        return model.predict(np.asarray(inputs, "float64")).reshape(len(inputs), -1)

    inputs, targets = validation
    errors = [np.square(predictions(strength, train, inputs) - targets).mean() for strength in RIDGE_STRENGTHS]
    both = [np.concatenate(parts) for parts in zip(train, validation, strict=True)]
    return predictions(RIDGE_STRENGTHS[np.argmin(errors)], both, test_inputs)


def fit_ngram_classifier(texts, labels):
    """Return a linear support vector machine on the character n-grams, of one to four, of texts, with `predict`."""
    ngrams = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4), lowercase=False, sublinear_tf=True)
    return make_pipeline(ngrams, LinearSVC(random_state=0)).fit(texts, labels)
