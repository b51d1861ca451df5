"""The one way from the builders to trained models, which other packages of ours find and read.

It imports them when weights are asked for, and not before: builders without any need Keras alone.
"""

import os

import keras


def load(model: keras.Model, weights: str | os.PathLike | None, builder: str) -> keras.Model:
    """Return a model that a builder has built, with the weights of a trained one, if there are to be any.

    Args:
        model: The model.
        weights: The builder's argument: name of a data set, or a path; `None` for initial weights.
        builder: Name of the builder.

    Raises:
        ValueError: If there is no such trained model, it cannot be read, or its weights do not fit; the model is as it
            was.
    """
    if weights is None:
        return model
    from keras_refs import trained
    from keras_refs.errors import UserError

    try:
        trained.load_weights(model, weights, builder)
    except UserError as error:
        raise ValueError(f"{error} Received: weights={str(weights)!r}") from error
    return model
