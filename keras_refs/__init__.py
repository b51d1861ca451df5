"""Reference implementations of classic deep-learning models in Keras 3.

>>> import keras_refs
>>> keras_refs.list_models()
['attention_seq2seq', 'bert_classifier', ...]
>>> model = keras_refs.build("conv_classifier", num_classes=7)
>>> model.output_shape
(None, 7)
>>> keras_refs.load_model("conv_classifier").count_params()
121930
"""

import os
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Literal, overload

import lazy_loader

from keras_refs import models
from keras_refs.trained import TrainedModel, find, labels, list_trained_models, load_preprocessor, model_card

if TYPE_CHECKING:
    # What loads lazily, for type checkers.
    import keras

    from keras_refs import datasets, decoding, evaluation, export, preprocessing, pretrained, recipes, trained, training
    from keras_refs.models import *

# Attributes load on first use: `import keras_refs` must not cost the seconds that TensorFlow takes.
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=[
        "datasets",
        "decoding",
        "evaluation",
        "export",
        "preprocessing",
        "pretrained",
        "recipes",
        "trained",
        "training",
    ],
    submod_attrs={"models": models.__all__},
)
__all__ += ["build", "labels", "list_models", "load_model", "load_preprocessor", "model_card", "models"]


@overload
def list_models(trained: Literal[False] = False) -> list[str]: ...


@overload
def list_models(trained: Literal[True]) -> list[TrainedModel]: ...


def list_models(trained: bool = False) -> list[Any]:
    """Return the names of all model builders, sorted; or, `trained`, a `trained.TrainedModel` for each trained model.

    Those that come with the package, and those in `saved_models` of the working directory, which come first where both
    have one of a name.
    """
    return list_trained_models() if trained else sorted(models.__all__)


def load_model(name: str | os.PathLike) -> "keras.Model":
    """Return a trained model as an uncompiled `keras.Model` in float32, on any backend of Keras, without TensorFlow.

    It takes what the network does, tokens in place of strings for example, which `load_preprocessor` turns them into.
    Weights stored as float16 or int8 stay so rounded.

    Args:
        name: A name of `list_models(trained=True)`, or the path of a model's folder or of one of its versions, also
            elsewhere: TensorFlow reads any path that `tf.io.gfile` knows, such as `gs://bucket/mlp`.

    Raises:
        UserError: If there is no such model, or its folder is damaged or has no Keras model.
    """
    from keras_refs import export

    return export.load_model(find(name))


def build(name: str, /, **kwargs: Any) -> "keras.Model":
    """Build a model by the name of its builder function.

    Args:
        name: One of `list_models()`, by position, as every builder has an argument `name` of its own.
        **kwargs: Arguments of the builder; its docstring lists them.

    Returns:
        An uncompiled functional `keras.Model`.

    Raises:
        ValueError: If no builder has that name, or the builder rejects an argument.
    """
    if name not in models.__all__:
        near = get_close_matches(str(name), models.__all__, n=3) or list_models()
        raise ValueError(f"No builder has this name; the nearest are {', '.join(near)}. Received: name={name!r}")
    return getattr(models, name)(**kwargs)
