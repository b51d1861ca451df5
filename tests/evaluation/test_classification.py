import json

import numpy as np
from sklearn import metrics as reference

from keras_refs import evaluation

NAMES = ("a", "b", "c", "never seen")


def test_agrees_with_scikit_learn():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 3, 500)
    probabilities = generator.dirichlet(np.ones(4), 500) + 0.3 * np.eye(4)[labels]
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    predicted = probabilities.argmax(axis=1)
    scores = evaluation.classification_metrics(labels, probabilities, NAMES)
    precision, recall, f1, support = reference.precision_recall_fscore_support(
        labels, predicted, labels=range(4), zero_division=0
    )
    per_class = scores["per_class"].values()
    np.testing.assert_allclose([row["precision"] for row in per_class], precision)
    np.testing.assert_allclose([row["recall"] for row in per_class], recall)
    np.testing.assert_allclose([row["f1"] for row in per_class], f1)
    assert [row["examples"] for row in per_class] == support.tolist()
    assert scores["accuracy"] == reference.accuracy_score(labels, predicted)
    np.testing.assert_allclose(scores["loss"], reference.log_loss(labels, probabilities, labels=range(4)))
    assert scores["confusion_matrix"] == reference.confusion_matrix(labels, predicted, labels=range(4)).tolist()
    assert json.loads(json.dumps(scores)) == scores


def test_table_names_every_class():
    scores = evaluation.classification_metrics([0, 1, 2], np.eye(4)[[0, 1, 1]], NAMES)
    table = evaluation.format_classification_metrics(scores)
    assert [line.split("  ")[0] for line in table.splitlines()[1:5]] == list(NAMES)
    assert table.endswith(f"accuracy 0.6667, loss {scores['loss']:.4f}")
