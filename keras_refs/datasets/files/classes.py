"""The classes of examples: their names, and a number for each."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from keras_refs.datasets.files.splits import LEFT_OUT, SPLITS
from keras_refs.errors import UserError


def number_classes(
    path: str | Path,
    labels: Sequence[str],
    codes: np.ndarray,
    place_of: Callable[[int], str],
    class_names: Sequence[str] | None = None,
) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the tuple of class names, and the number of each example's class in it, int64 `(examples,)`.

    Args:
        path: What was read, for messages.
        labels: For each example the name of its class.
        codes: For each example the index of its split, as `assign_splits` returns it; what is left out has number -1.
        place_of: Function of the index of an example that returns where its class is said, for messages.
        class_names: The classes of a model that is to be scored; by default those of the training split, sorted: as
            numbers, if they are.

    Raises:
        UserError: If an example has another class, or the training split has one class, or nearly as many as examples.
    """
    of_model = class_names is not None
    if class_names is None:
        training = {labels[index] for index in np.flatnonzero(codes == 0).tolist()}
        class_names = tuple(sorted(training, key=_number_or_name))
        _check_number(Path(path).name, class_names, examples=int((codes == 0).sum()))
    numbers = {class_name: number for number, class_name in enumerate(class_names)}
    for index in np.flatnonzero(codes != LEFT_OUT).tolist():
        if labels[index] not in numbers:
            where, label = place_of(index), labels[index]
            listed = ", ".join(class_names[:20]) + (", ..." if len(class_names) > 20 else "")
            if of_model:
                raise UserError(f"{where}: {label!r} is no class of the model, which has: {listed}.")
            raise UserError(
                f"{where}: the class {label!r} is in the {SPLITS[codes[index]]} split and has no example in the "
                f"training split, which has: {listed}. Add examples of it, or leave it out."
            )
    return tuple(class_names), np.array([numbers.get(label, -1) for label in labels], np.int64)


def _check_number(name, class_names, examples):
    if len(class_names) < 2:
        raise UserError(f"{name} must have examples of at least two classes. Received: {', '.join(class_names)}")
    if 2 * len(class_names) > examples > 10:
        raise UserError(
            f"{name} has {len(class_names):,} classes and {examples:,} examples to train on, too few to learn from: is "
            "it the right column?"
        )


def _number_or_name(class_name):
    return (0, int(class_name), class_name) if class_name.isdecimal() else (1, 0, class_name)
