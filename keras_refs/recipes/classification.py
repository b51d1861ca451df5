"""What the recipes that classify share, beside the steps of a training."""

from keras_refs import evaluation
from keras_refs.errors import UserError


def score(labels, probabilities, class_names, dataset):
    """Return the classification metrics of an export's probabilities for the examples of a data set of this name.

    Raises:
        UserError: If the model has another number of classes than the data set.
    """
    if probabilities.shape[1] != len(class_names):
        raise UserError(
            f"The model has {probabilities.shape[1]} classes and the data set {dataset!r} has {len(class_names)}; "
            "score it on a data set with the classes it was trained on."
        )
    return evaluation.classification_metrics(labels, probabilities, class_names)
