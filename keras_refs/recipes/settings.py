"""The settings that every recipe has, and the check of ranges, which other commands use, too."""

import dataclasses
import math
import typing
from typing import Annotated, Literal

from annotated_types import BaseMetadata, Ge, GroupedMetadata, Gt, Interval, Le, Lt

from keras_refs.errors import UserError

Count = Annotated[int, Ge(1)]
Positive = Annotated[float, Gt(0)]
NotNegative = Annotated[float, Ge(0)]
Rate = Annotated[float, Interval(ge=0, lt=1)]
Fraction = Annotated[float, Interval(gt=0, lt=1)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What any recipe can be told. The docstring of a field is its help on the command line."""

    epochs: Count
    """Passes over the training split."""
    batch_size: Count
    """Examples a training step, over all devices together."""
    learning_rate: Positive
    """Highest learning rate; it rises for an epoch and falls to zero along a cosine."""
    average_epochs: NotNegative = 1.0
    """Epochs that the moving average of the weights, which is validated and exported, reaches back; 0 for none."""
    clip_norm: NotNegative = 0.0
    """Longest gradient of a variable, longer ones are shortened to it; 0 for no limit."""
    patience: Count = 15
    """Epochs without a better validation score after which training stops."""
    seed: Annotated[int, Interval(ge=0, lt=2**31)] = 0
    """Seed of weights, order, augmentation and dropout."""
    precision: Literal["auto", "float32", "mixed_bfloat16", "mixed_float16"] = "auto"
    """Keras dtype policy; auto chooses by the device."""
    jit: Literal["auto", "on", "off"] = "auto"
    """Whether XLA compiles the training step; auto chooses by the device."""
    distribute: Literal["none", "mirrored"] = "none"
    """Train on one device, or on all of this machine in step."""
    deterministic: bool = False
    """Give the same bits on every run on the same machine, at some cost in speed."""

    def __post_init__(self):
        """Check every field against the range in its type."""
        check(vars(self), typing.get_type_hints(type(self), include_extras=True))


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataSettings(Settings):
    """Settings of every recipe that learns from a data set."""

    dataset: str
    """TFDS name of the data set."""
    data_dir: str | None = None
    """TFDS data folder; by default the package's own for the data sets that come with it."""


def check(values, annotations):
    """Check options against the ranges in their types.

    Args:
        values: The options by name; that of a tuple type is checked item by item.
        annotations: Their types by name, such as `Count`.

    Raises:
        UserError: If one is out of its range or not finite.
    """
    for name, annotation in annotations.items():
        several = typing.get_origin(annotation) is tuple
        for bounds in getattr(typing.get_args(annotation)[0] if several else annotation, "__metadata__", ()):
            # A type may say other things, too.
            if isinstance(bounds, BaseMetadata | GroupedMetadata):
                for value in values[name] if several else (values[name],):
                    _check(name, value, bounds)


def _check(name, value, bounds):
    limits = list(bounds) if isinstance(bounds, Interval) else [bounds]
    passes = {
        Gt: lambda limit: value > limit.gt,
        Ge: lambda limit: value >= limit.ge,
        Lt: lambda limit: value < limit.lt,
        Le: lambda limit: value <= limit.le,
    }
    words = {
        Gt: lambda limit: f"greater than {limit.gt}",
        Ge: lambda limit: f"at least {limit.ge}",
        Lt: lambda limit: f"less than {limit.lt}",
        Le: lambda limit: f"at most {limit.le}",
    }
    finite = math.isfinite(value)
    if not finite or not all(passes[type(limit)](limit) for limit in limits):
        allowed = [*([] if finite else ["finite"]), *(words[type(limit)](limit) for limit in limits)]
        raise UserError(f"--{name.replace('_', '-')} must be {' and '.join(allowed)}. Received: {value}")
