"""Checks of builder arguments. Each raises `ValueError` with the name, the allowed values and the received one."""

from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any


def check_integer(name: str, value: Any, minimum: int) -> None:
    """Require an integer of at least `minimum`; `True` and `False` do not count as integers."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < minimum:
        raise ValueError(f"`{name}` must be an integer of at least {minimum}. Received: {name}={value!r}")


def check_integers(name: str, values: Any, minimum: int, length: int) -> None:
    """Require a tuple or list of exactly `length` integers of at least `minimum`."""
    if not isinstance(values, (tuple, list)) or len(values) != length:
        raise ValueError(f"`{name}` must be a tuple of {length} integers. Received: {name}={values!r}")
    for value in values:
        check_integer(name, value, minimum)


def widths(name: str, values: Any, allow_none: bool = False) -> tuple[int, ...]:
    """Return the widths of layers as a tuple: one integer, of one layer, or a tuple or list of them.

    With `allow_none`, 0 or an empty tuple stands for no layer.
    """
    if isinstance(values, Integral) and not isinstance(values, bool):
        if values == 0 and allow_none:
            return ()
        values = (values,)
    if not isinstance(values, (tuple, list)) or not (values or allow_none):
        nothing = ", or 0 or () for none" if allow_none else ""
        raise ValueError(
            f"`{name}` must be an integer or a tuple of one or more integers{nothing}. Received: {name}={values!r}"
        )
    for value in values:
        check_integer(name, value, minimum=1)
    return tuple(values)


def check_real(name: str, value: Any, minimum: float, below: float = float("inf")) -> None:
    """Require a real number in `[minimum, below)`."""
    if isinstance(value, bool) or not isinstance(value, Real) or not minimum <= value < below:
        raise ValueError(f"`{name}` must be a number in [{minimum}, {below}). Received: {name}={value!r}")


def check_choice(name: str, value: Any, choices: Iterable[Any]) -> None:
    """Require one of the choices."""
    if value not in choices:
        allowed = ", ".join(map(repr, choices))
        raise ValueError(f"`{name}` must be one of {allowed}. Received: {name}={value!r}")


def check_head(num_classes: Any, classifier_activation: Any) -> None:
    """Require a number of classes, and an activation that fits it: no softmax over a single output."""
    check_integer("num_classes", num_classes, minimum=1)
    check_choice("classifier_activation", classifier_activation, ("auto", "softmax", "sigmoid", None))
    if classifier_activation == "softmax" and num_classes == 1:
        raise ValueError(
            "`classifier_activation` must not be 'softmax' for a single output, which would be 1 for every input; use "
            f"'sigmoid'. Received: {classifier_activation=}, {num_classes=}"
        )
