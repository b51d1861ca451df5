"""Settings of recipes and of the server: each declared once, with its range and its help, in a group of its kind.

A group is a frozen dataclass. The type of a field has its range, the docstring under it is its command-line help. A
recipe's `Config` nests groups and overrides their defaults by value; on the command line, in `config.json` and on model
cards all settings stand side by side.
"""

import dataclasses
import math
import operator
import types
import typing
from numbers import Integral, Real
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Interval

from keras_refs.errors import UserError

Count = Annotated[int, Ge(1)]
CountOrZero = Annotated[int, Ge(0)]
Positive = Annotated[float, Gt(0)]
NotNegative = Annotated[float, Ge(0)]
Rate = Annotated[float, Interval(ge=0, lt=1)]
Fraction = Annotated[float, Interval(gt=0, lt=1)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """A group of settings, which checks itself when it is made.

    Raises:
        UserError: If a value is of another type than its field or out of its range.
    """

    def __post_init__(self):
        for name, hint in typing.get_type_hints(type(self), include_extras=True).items():
            _check(name, getattr(self, name), hint)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Training(Settings):
    """How long and how fast a network learns."""

    epochs: Count
    """Passes over the training split."""
    batch_size: Count
    """Examples per training step, over all devices together."""
    learning_rate: Positive
    """Peak learning rate: linear warm-up over the first epoch, then cosine decay to zero."""
    average_epochs: NotNegative = 1.0
    """Horizon, in epochs, of the EMA of the weights, which is validated and exported; 0 disables it."""
    clip_norm: NotNegative = 0.0
    """Clip each variable's gradient to this L2 norm; 0 disables clipping."""
    patience: Count = 15
    """Early stopping: epochs without a better validation score."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Compute(Settings):
    """What a run computes with."""

    seed: Annotated[int, Interval(ge=0, lt=2**31)] = 0
    """Seed of initial weights, order of examples, augmentation and dropout."""
    precision: Literal["auto", "float32", "mixed_bfloat16", "mixed_float16"] = "auto"
    """Keras dtype policy; auto chooses by the device."""
    jit: Literal["auto", "on", "off"] = "auto"
    """Compile the training step with XLA; auto chooses by the device."""
    distribute: Literal["none", "mirrored", "workers"] = "none"
    """Train on one device, or with synchronous data parallelism on all local ones or on the machines in TF_CONFIG."""
    deterministic: bool = False
    """Give the same bits on every run on the same machine, at some cost in speed."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Privacy(Settings):
    """Training with differential privacy, by DP-SGD."""

    private: bool = False
    """Clip the gradient of each example and add noise, so that the model tells little of any one of them."""
    noise_multiplier: NotNegative = 0.0
    """Standard deviation of the noise, over --clip; 0 chooses it for --epsilon."""
    clip: Positive = 1.0
    """L2 norm that the gradient of each example is clipped to."""
    epsilon: NotNegative = 0.0
    """Budget of epsilon at delta 1e-5, at which the training stops; 0 for none."""

    def __post_init__(self):
        super().__post_init__()
        if self.private and not (self.noise_multiplier or self.epsilon):
            raise UserError("--private needs --noise-multiplier or --epsilon.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Data(Settings):
    """A data set by its TFDS name, or a user's file or folder in its place."""

    dataset: str
    """TFDS name of the data set."""
    data_dir: str | None = None
    """TFDS data folder; by default the package's own for the data sets that come with it."""
    data: str | None = None
    """File or folder of your own to read in place of a TFDS data set."""

    def __post_init__(self):
        super().__post_init__()
        for name in ("data_dir", "train_split", "validation_split", "test_split"):
            field = self.__dataclass_fields__.get(name)
            if self.data is not None and field and getattr(self, name) != field.default:
                option = f"--{name.replace('_', '-')}"
                raise UserError(f"{option} is for a TFDS data set, --data for a file: leave one of them out.")


@dataclasses.dataclass(frozen=True, kw_only=True)
class SplitData(Data):
    """A data set with splits to train on and to score on."""

    train_split: str = "train"
    """TFDS split or slice to train on."""
    test_split: str = "test"
    """TFDS split or slice to score on, once, at the end."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageData(SplitData):
    """A data set of images and their classes."""

    dataset: str = "fashion_mnist"
    """TFDS name of an image-classification data set."""
    validation_fraction: Fraction = 0.05
    """Fraction of the training split that is held out to choose the best epoch."""
    image_size: CountOrZero = 0
    """Height and width to resize to, in pixels; 0 keeps the data set's size."""
    stream: Literal["auto", "on", "off"] = "auto"
    """Leave images on disk until they are needed; auto does so where they would take an eighth of the memory."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Augmentation(Settings):
    """How training images are varied, and predictions averaged."""

    horizontal_flip: bool = True
    """Random horizontal flip of training images, p = 0.5."""
    shift: CountOrZero = 1
    """Maximum random translation of training images, in pixels along each axis."""
    average_mirrored: bool = True
    """Test-time augmentation: average over an image and its flip, if training flips; doubles the cost of inference."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SequenceData(SplitData):
    """A data set with a validation split of its own."""

    validation_split: str = "validation"
    """TFDS split or slice to choose the best epoch on."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TextData(SequenceData):
    """A data set of texts and their classes."""

    text: str | None = None
    """Column of the texts in a table given by --data; by default found."""
    label: str | None = None
    """Column of their classes in it; by default found."""
    stream: Literal["auto", "on", "off"] = "auto"
    """Hold texts in temporary files; auto does so where they would take an eighth of the memory."""

    def __post_init__(self):
        super().__post_init__()
        require_file(self, "text", "label")


@dataclasses.dataclass(frozen=True, kw_only=True)
class TranscriptionData(SequenceData):
    """A data set of strings and their transcriptions."""

    source: str | None = None
    """Column of the strings in a table given by --data; by default the first."""
    target: str | None = None
    """Column of their transcriptions in it; by default the second."""

    def __post_init__(self):
        super().__post_init__()
        require_file(self, "source", "target")


def require_file(group: Data, *names: str) -> None:
    """Refuse settings that name columns of a file where there is none."""
    for name in names:
        if getattr(group, name) is not None and group.data is None:
            raise UserError(f"--{name} names a column of a file: name the file with --data.")


def check_privacy(config: Any) -> None:
    """Check that the other settings of a recipe's `Config` allow it to be private, if it is to be.

    Raises:
        UserError: If they do not, or there are settings of a private training that is to be none.
    """
    if not hasattr(config, "privacy"):
        return
    if not config.privacy.private:
        if config.privacy != Privacy():
            raise UserError("--noise-multiplier, --clip and --epsilon are only for a training with --private.")
        return
    if config.compute.deterministic:
        raise UserError("--deterministic makes the noise of --private guessable: leave one of them out.")
    if config.compute.distribute != "none":
        raise UserError(
            f"--private trains on one device, in one process. Received: --distribute {config.compute.distribute}"
        )
    if flatten(config).get("batch_normalization"):
        raise UserError(
            "Batch normalization mixes the examples of a batch, which --private rules out: add "
            "--no-batch-normalization."
        )


def flatten(config: Any) -> dict[str, Any]:
    """Return the values of a dataclass and of the groups nested in it by the name of the setting.

    >>> flatten(Compute(seed=3))["seed"]
    3
    """
    values: dict[str, Any] = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        values |= flatten(value) if dataclasses.is_dataclass(value) else {field.name: value}
    return values


def override(config: Any, **values: Any) -> Any:
    """Return a copy of a dataclass with other values, by name, wherever in its groups they stand.

    Args:
        config: A group, or the `Config` of a recipe.
        **values: The settings to change; a list, as JSON has it, stands for a tuple.

    Raises:
        UserError: If there is no setting of a name, or a value is out of its range.

    >>> override(Compute(), seed=3, jit="off").seed
    3
    """
    known = flatten(config)
    if unknown := values.keys() - known.keys():
        raise UserError(f"There is no setting {', '.join(sorted(unknown))}. Settings are: {', '.join(sorted(known))}.")
    changes = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            own = flatten(value).keys()
            changes[field.name] = override(value, **{name: new for name, new in values.items() if name in own})
        elif field.name in values:
            new = values[field.name]
            changes[field.name] = tuple(new) if isinstance(new, list) else new
    return dataclasses.replace(config, **changes)


def _check(name, value, hint):
    if isinstance(value, tuple) and typing.get_origin(hint) is tuple:
        for item in value:
            _check(name, item, typing.get_args(hint)[0])
    elif allowed := _violation(value, hint):
        raise UserError(f"--{name.replace('_', '-')} must be {allowed}. Received: {value}")


def _violation(value, hint):
    """Return what a value must be to fit a type, or nothing if it does."""
    arguments = typing.get_args(hint)
    match typing.get_origin(hint):
        case typing.Literal:
            return "" if value in arguments else "one of " + ", ".join(map(str, arguments))
        case types.UnionType:
            return "" if any(not _violation(value, option) for option in arguments) else "text or nothing"
        case typing.Annotated:
            return _violation(value, arguments[0]) or _range_violation(value, arguments[1:])
    kinds = {int: (Integral, "an integer"), float: (Real, "a number"), bool: (bool, "true or false")}
    kind, words = kinds.get(hint, (typing.get_origin(hint) or hint, "text" if hint is str else "a tuple"))
    return "" if isinstance(value, kind) and isinstance(value, bool) == (kind is bool) else words


def _range_violation(value, ranges):
    """Return the ranges in words if a number is not finite or outside one of them."""
    limits = {name: getattr(one, name) for one in ranges for name in _LIMITS if getattr(one, name, None) is not None}
    if not limits:
        return ""
    finite = math.isfinite(value)
    if finite and all(_LIMITS[name][0](value, limit) for name, limit in limits.items()):
        return ""
    return " and ".join(["finite"] * (not finite) + [f"{_LIMITS[name][1]} {limit}" for name, limit in limits.items()])


_LIMITS = {
    "gt": (operator.gt, "greater than"),
    "ge": (operator.ge, "at least"),
    "lt": (operator.lt, "less than"),
    "le": (operator.le, "at most"),
}
