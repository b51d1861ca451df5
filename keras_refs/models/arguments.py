"""Checks of builder arguments, all with the same kind of message.

Each raises `ValueError` with the argument's name, what is allowed and what was received.
"""

from numbers import Integral, Real


def check_integer(name, value, minimum):
    """Require an integer of at least `minimum`; `True` and `False` are no integers here."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < minimum:
        raise ValueError(f"`{name}` must be an integer of at least {minimum}. Received: {name}={value!r}")


def check_integers(name, values, minimum, length=None):
    """Require a non-empty tuple or list of integers of at least `minimum`, of a given length if one is named."""
    is_sequence = isinstance(values, (tuple, list)) and len(values) > 0
    if not is_sequence or (length is not None and len(values) != length):
        count = f"{length} integers" if length else "one or more integers"
        raise ValueError(f"`{name}` must be a tuple of {count}. Received: {name}={values!r}")
    for value in values:
        check_integer(name, value, minimum)


def check_real(name, value, minimum, below=float("inf")):
    """Require a real number in `[minimum, below)`."""
    if isinstance(value, bool) or not isinstance(value, Real) or not minimum <= value < below:
        allowed = f"a number in [{minimum}, {below})"
        raise ValueError(f"`{name}` must be {allowed}. Received: {name}={value!r}")


def check_choice(name, value, choices):
    """Require one of the given values."""
    if value not in choices:
        allowed = ", ".join(map(repr, choices))
        raise ValueError(f"`{name}` must be one of {allowed}. Received: {name}={value!r}")
