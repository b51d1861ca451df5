"""How ISO 8601 writes dates and times, as far as it is read here."""

import numpy as np

TIME = "a date that exists, with or without a time, as 2014-12-25T18:00, 2014-12-25 18:00:00, 2014-12-25 or 2014-12"
ZONE = r"(Z|[+-]([01]\d|2[0-3]):?[0-5]\d)"
_CLOCK = rf"[T ]([01]\d|2[0-3])(:[0-5]\d(:[0-5]\d(\.\d+)?)?{ZONE}?)?"
FORM = rf"\d{{4}}(-\d\d(-\d\d({_CLOCK})?)?)?"


def iso_times(minutes: np.ndarray) -> np.ndarray:
    """Return ISO 8601 strings without seconds, such as `2014-12-25T18:00`, of an array of minutes since 1970."""
    return np.datetime_as_string(np.asarray(minutes).astype("datetime64[m]"), unit="m")
