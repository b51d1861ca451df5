"""Checks of builder arguments. Each raises `ValueError` with the name, the allowed values and the received one."""

from numbers import Integral, Real


def check_integer(name, value, minimum):
    """Require an integer of at least `minimum`; `True` and `False` do not count as integers."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < minimum:
        raise ValueError(f"`{name}` must be an integer of at least {minimum}. Received: {name}={value!r}")


def check_integers(name, values, minimum, length=None, allow_empty=False):
    """Require a tuple or list of integers of at least `minimum`: one or more, any number, or exactly `length`."""
    is_sequence = isinstance(values, (tuple, list)) and (allow_empty or len(values) > 0)
    if not is_sequence or (length is not None and len(values) != length):
        count = f"{length} integers" if length else "integers" if allow_empty else "one or more integers"
        raise ValueError(f"`{name}` must be a tuple of {count}. Received: {name}={values!r}")
    for value in values:
        check_integer(name, value, minimum)


def check_real(name, value, minimum, below=float("inf")):
    """Require a real number in `[minimum, below)`."""
    if isinstance(value, bool) or not isinstance(value, Real) or not minimum <= value < below:
        raise ValueError(f"`{name}` must be a number in [{minimum}, {below}). Received: {name}={value!r}")


def check_choice(name, value, choices):
    """Require one of the choices."""
    if value not in choices:
        allowed = ", ".join(map(repr, choices))
        raise ValueError(f"`{name}` must be one of {allowed}. Received: {name}={value!r}")


def check_output_activation(name, activation, choices, **num_outputs):
    """Require one of the choices, and no softmax over a single output; `num_outputs` is their number by argument."""
    check_choice(name, activation, choices)
    ((counted, count),) = num_outputs.items()
    if activation == "softmax" and count == 1:
        raise ValueError(
            f"`{name}` must not be 'softmax' for a single output, which would be 1 for every input; use 'sigmoid'. "
            f"Received: {name}={activation!r}, {counted}={count!r}"
        )
