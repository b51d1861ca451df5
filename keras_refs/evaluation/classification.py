"""Scores of a classifier."""

import numpy as np


def classification_metrics(labels, probabilities, class_names):
    """Score predicted class probabilities.

    Args:
        labels: True classes, integers `(examples,)`.
        probabilities: `(examples, classes)`.
        class_names: A name for each class.

    Returns:
        A dictionary of plain numbers: `accuracy` and `loss` (mean cross-entropy in nats); `per_class` with
        `precision`, `recall`, `f1` and `examples` by class name, where a quotient of 0 by 0 counts as 0; and
        `confusion_matrix`, a list of rows, true classes down and predicted ones across.
    """
    labels, probabilities = np.asarray(labels), np.asarray(probabilities, np.float64)
    num_classes = len(class_names)
    predicted = probabilities.argmax(axis=1)
    confusion = np.zeros((num_classes, num_classes), np.int64)
    np.add.at(confusion, (labels, predicted), 1)
    hits, examples, predictions = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    precision = hits / np.maximum(predictions, 1)
    recall = hits / np.maximum(examples, 1)
    f1 = 2 * hits / np.maximum(examples + predictions, 1)
    of_truth = probabilities[np.arange(len(labels)), labels]
    return {
        "accuracy": float(hits.sum() / len(labels)),
        "loss": float(-np.log(np.maximum(of_truth, np.finfo(np.float32).tiny)).mean()),
        "per_class": {
            name: {
                "precision": float(precision[index]),
                "recall": float(recall[index]),
                "f1": float(f1[index]),
                "examples": int(examples[index]),
            }
            for index, name in enumerate(class_names)
        },
        "confusion_matrix": confusion.tolist(),
    }


def roc_curve(labels, probabilities):
    """Return the rates of false and true positives at every threshold, from the strictest to the most lenient.

    Args:
        labels: True classes, 0 or 1, `(examples,)`; both must occur.
        probabilities: Of class 1, `(examples,)`; equal ones are one threshold.

    Returns:
        `(false_positive_rate, true_positive_rate)`, both from 0 to 1.
    """
    order = np.argsort(-np.asarray(probabilities), kind="stable")
    labels, probabilities = np.asarray(labels)[order], np.asarray(probabilities)[order]
    last_of_equals = np.append(np.diff(probabilities) != 0, True)
    rates = [np.cumsum(labels == value)[last_of_equals] / np.sum(labels == value) for value in (0, 1)]
    return tuple(np.concatenate([[0.0], rate]) for rate in rates)


def format_classification_metrics(metrics):
    """Return the metrics as a table to print."""
    width = max(len(name) for name in [*metrics["per_class"], "class"])
    lines = [f"{'class':<{width}}  precision  recall      f1  examples"]
    lines += [
        f"{name:<{width}}  {row['precision']:9.4f}  {row['recall']:6.4f}  {row['f1']:6.4f}  {row['examples']:8d}"
        for name, row in metrics["per_class"].items()
    ]
    return "\n".join([*lines, f"accuracy {metrics['accuracy']:.4f}, loss {metrics['loss']:.4f}"])
