"""The step of a series, a minute to a year long: by the clock, by the calendar or from business day to business day."""

import dataclasses
from typing import Literal

import numpy as np

MINUTES_A_DAY = 24 * 60
WEEK = 7 * MINUTES_A_DAY
HOLIDAYS = WEEK
"""Business days may be further apart than their step, by less than this many minutes."""
LONGEST = 366 * MINUTES_A_DAY


@dataclasses.dataclass(frozen=True)
class Step:
    """The distance from one step of a series to the next.

    Attributes:
        count: How many units it is.
        unit: `"minute"`, `"business day"` or `"month"`.
        origin: A time of the series, in minutes since 1970-01-01T00:00 of the local clock.
        days: Of business days, which days of the week have steps, Monday first, as in `"1111100"`.
    """

    count: int
    unit: str
    origin: int
    days: str = ""

    def __str__(self) -> str:
        if self.unit == "business day":
            return "business days"
        names = {"week": WEEK, "day": MINUTES_A_DAY, "hour": 60, "minute": 1}
        if self.unit == "month":
            names = {"year": 12, "month": 1}
        name, size = next(item for item in names.items() if self.count % item[1] == 0)
        count = self.count // size
        return f"{count} {name}{'s' * (count > 1)}"

    @property
    def minutes(self) -> int:
        """About how many minutes it is; exactly, by the clock."""
        return self.count * {"minute": 1, "business day": MINUTES_A_DAY, "month": LONGEST // 12}[self.unit]

    @property
    def calendar_unit(self) -> Literal["minute", "hour", "day", "month"]:
        """The `Calendar`'s unit in which steps differ: of the hours of a day, or its minutes, and so on."""
        if self.minutes >= WEEK:
            return "month"
        if self.minutes >= MINUTES_A_DAY:
            return "day"
        return "minute" if self.count % 60 else "hour"

    @property
    def _first_day(self):
        return np.datetime64(self.origin // MINUTES_A_DAY, "D")

    def positions(self, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the numbers of the steps that times, int64 minutes, are in, and which times are between two steps."""
        if self.unit == "minute":
            return (times - self.origin) // self.count, (times - self.origin) % self.count != 0
        if self.unit == "month":
            months = _months(times) - _months(self.origin)
            return months // self.count, months % self.count != 0
        days = (times // MINUTES_A_DAY).astype("datetime64[D]")
        return np.busday_count(self._first_day, days, weekmask=self.days), (times - self.origin) % MINUTES_A_DAY != 0

    def times(self, positions: np.ndarray) -> np.ndarray:
        """Return a time of each of these steps, int64 minutes."""
        if self.unit == "minute":
            return self.origin + positions * self.count
        if self.unit == "month":
            start = _months(self.origin).astype("datetime64[M]")
            offset = self.origin - start.astype("datetime64[m]").astype("int64")
            months = (start + positions * self.count).astype("datetime64[m]").astype("int64")
            # The 31st of a month of 30 days would be in the next one.
            return months + min(offset, 28 * MINUTES_A_DAY - 1)
        days = np.busday_offset(self._first_day, positions, weekmask=self.days)
        return days.astype("int64") * MINUTES_A_DAY + self.origin % MINUTES_A_DAY

    def missing(self, times: np.ndarray) -> np.ndarray:
        """Return how many steps are missing between each two of these times, int64 `(times - 1,)`.

        The time of each is that of a step, and later than the one before. Business days that may be holidays are not
        missing.
        """
        missing = np.diff(self.positions(times)[0]) - 1
        return np.where(np.diff(times) < HOLIDAYS, 0, missing) if self.unit == "business day" else missing


def find_step(times: np.ndarray) -> Step:
    """Return the `Step` of times in order, int64 minutes, of which two differ: the most frequent difference.

    Of differences of about a month or more that are not all alike it is counted in months. It is business days where
    days of three weeks or more leave out some day of the week.
    """
    origin, differences = int(times[0]), np.diff(times)
    values, counts = np.unique(differences[differences > 0], return_counts=True)
    most_frequent = int(values[counts.argmax()])
    if most_frequent >= 28 * MINUTES_A_DAY and (values % most_frequent).any():
        months, counts = np.unique(np.diff(_months(times)), return_counts=True)
        months, counts = months[months > 0], counts[months > 0]
        return Step(int(months[counts.argmax()]), "month", origin)
    if most_frequent == MINUTES_A_DAY and times[-1] - times[0] >= 3 * WEEK:
        # 1970-01-01 was a Thursday.
        days = np.bincount((times // MINUTES_A_DAY + 3) % 7, minlength=7) > 0
        if not days.all():
            return Step(1, "business day", origin, "".join("01"[int(day)] for day in days))
    return Step(most_frequent, "minute", origin)


def _months(times):
    return np.asarray(times).astype("datetime64[m]").astype("datetime64[M]").astype("int64")
