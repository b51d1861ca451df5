"""Reference implementations of classic deep-learning models in Keras 3.

>>> import keras_refs
>>> keras_refs.list_models()
['attention_seq2seq', 'bert_classifier', ...]
>>> model = keras_refs.build("conv_classifier", num_classes=7)
>>> model.output_shape
(None, 7)
"""

from difflib import get_close_matches

import lazy_loader

from keras_refs import models

# Attributes load on first use: `import keras_refs` must not cost the seconds that TensorFlow takes.
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["datasets", "decoding", "evaluation", "export", "pretrained", "recipes", "training"],
    submod_attrs={"models": models.__all__},
)
__all__ += ["build", "list_models", "models"]


def list_models():
    """Return the names of all model builders, sorted."""
    return sorted(models.__all__)


def build(name, /, **kwargs):
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
