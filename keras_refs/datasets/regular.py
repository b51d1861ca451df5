"""A series with a value for every step, made from rows in any order; what is wrong is said with its place."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from keras_refs.datasets.files.splits import SPLITS
from keras_refs.datasets.iso8601 import iso_times
from keras_refs.datasets.steps import LONGEST, MINUTES_A_DAY, Step, find_step
from keras_refs.errors import UserError


@dataclasses.dataclass(frozen=True)
class Rows:
    """Rows of a series as they were read, in any order.

    Attributes:
        name: What they are called in messages.
        about: What a `Dataset` says of itself: `name`, `citation` and `homepage`.
        times: int64 `(rows,)`, minutes since 1970-01-01T00:00 of the local clock.
        values: float32 `(rows, columns)`, NaN where a value is missing.
        names: Names of the columns.
        parts: int8 `(rows,)`, the index in `SPLITS` of the split that each is in, or `None` if there are no splits.
        place: Function of the number of a row, and of the name of a column or nothing, that returns where it stands.
    """

    name: str
    about: dict[str, Any]
    times: np.ndarray
    values: np.ndarray
    names: tuple[str, ...]
    parts: np.ndarray | None
    place: Callable[..., str]


@dataclasses.dataclass(frozen=True)
class RegularSeries:
    """A series with all its values, in order of time.

    Attributes:
        name: As that of the `Rows`.
        about: As that of the `Rows`.
        times: int64 `(steps,)`, minutes since 1970-01-01T00:00 of the local clock.
        values: float32 `(steps, columns)`, finite.
        names: Names of the columns.
        parts: As those of the `Rows`; no part begins before another has ended.
        step: The `Step` from one to the next.
        notes: Sentences that say what was filled.
    """

    name: str
    about: dict[str, Any]
    times: np.ndarray
    values: np.ndarray
    names: tuple[str, ...]
    parts: np.ndarray | None
    step: Step
    notes: tuple[str, ...] = ()


def regular_series(rows: Rows, fill_gaps: int = 0) -> RegularSeries:
    """Return the `RegularSeries` of `Rows`.

    `fill_gaps` is how many steps or values in a row may be missing: they get values on a line between their
    neighbours, and the steps that a change of the clock doubled are averaged. At 0 nothing is filled.

    Raises:
        UserError: If the steps are not regular, something is missing that is not filled, or splits overlap in time.
    """
    # From here on `order` has the number of the row that each step came from.
    order = np.argsort(rows.times, kind="stable")
    times, values = rows.times[order], rows.values[order]
    parts = None if rows.parts is None else rows.parts[order]
    if times[0] == times[-1]:
        raise UserError(f"{rows.name} has one time, {iso_times(times[0])}; a series has several.")
    step = find_step(times)
    if step.minutes > LONGEST:
        raise UserError(f"{rows.name} has steps of {step}; they may be from a minute to a year long.")
    _require_parts_in_order(rows, times, parts, order)
    _require_steps(rows, times, step, order)
    kept, values, averaged = _average_doubled(rows, times, values, step, order, fill_gaps)
    times, order, parts = times[kept], order[kept], None if parts is None else parts[kept]
    missing = step.missing(times)
    _require_no_gap(rows, times, missing, step, order, fill_gaps)
    repeats = np.append(missing + 1, 1)
    if missing.any():
        times, values = _insert(times, values, missing, step)
        order, parts = np.repeat(order, repeats), None if parts is None else np.repeat(parts, repeats)
    absent = np.isnan(values)
    if absent.any():
        _require_filled(rows, absent, order, fill_gaps)
        _interpolate(values, absent)
    filled = int(absent.sum()) - int(missing.sum()) * len(rows.names)
    notes = _notes(averaged, int(missing.sum()), filled)
    return RegularSeries(rows.name, rows.about, times, values, rows.names, parts, step, notes)


def _require_parts_in_order(rows, times, parts, order):
    back = [] if parts is None else np.flatnonzero(np.diff(parts) < 0)
    if len(back):
        before, after = back[0], back[0] + 1
        raise UserError(
            f"The splits of {rows.name} overlap in time: {rows.place(order[before])} is of "
            f"{iso_times(times[before])} and in {SPLITS[parts[before]]}, {rows.place(order[after])} of "
            f"{iso_times(times[after])} and in {SPLITS[parts[after]]}. Each split must follow on the one before: "
            f"{', '.join(SPLITS)}."
        )


def _require_steps(rows, times, step, order):
    between = np.flatnonzero(step.positions(times)[1])
    if len(between):
        raise UserError(
            f"{rows.place(order[between[0]])}: {iso_times(times[between[0]])} is between two steps. Times that are: "
            f"{len(between):,}. The most frequent step is {step}, counted from {iso_times(step.origin)}. Bring the "
            "values to such times."
        )


def _average_doubled(rows, times, values, step, order, fill_gaps):
    """Return which rows begin a step, the values of these, and how many of them are means of two rows."""
    positions = step.positions(times)[0]
    first = np.append(True, np.diff(positions) > 0)
    if first.all():
        return first, values, 0
    doubled = np.flatnonzero(~first)
    starts = np.flatnonzero(first)
    # A change of the clock doubles an hour: that many steps in a row, and none thrice.
    runs = np.split(positions[doubled], np.flatnonzero(np.diff(positions[doubled]) != 1) + 1)
    by_clock = step.unit == "minute" and step.count <= 60 and max(map(len, runs)) * step.count <= 60
    if not (fill_gaps and by_clock):
        advice = (
            "A change of the clock doubles an hour: --fill-gaps 1 averages the two"
            if by_clock
            else "A table has one series: write those of several places, for example, into a file each. Where date and "
            "time of day are two columns, join them"
        )
        before, after = doubled[0] - 1, doubled[0]
        raise UserError(
            f"{rows.place(order[after])}: {iso_times(times[after])} is the time, or in the step, of "
            f"{rows.place(order[before])}, too. Rows that repeat a time: {len(doubled):,}. {advice}."
        )
    known = ~np.isnan(values)
    sums = np.add.reduceat(np.where(known, values, 0), starts)
    counts = np.add.reduceat(known, starts, dtype="int64")
    means = np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
    return first, means, len(doubled)


def _require_no_gap(rows, times, missing, step, order, fill_gaps):
    gaps = np.flatnonzero(missing > fill_gaps)
    if len(gaps):
        at, longest, total = gaps[0], missing.max(), np.count_nonzero(missing)
        clock = " A change of the clock leaves out an hour." if step.minutes < MINUTES_A_DAY else ""
        raise UserError(
            f"{rows.place(order[at + 1])}: {iso_times(times[at + 1])} comes after {iso_times(times[at])}, and the step "
            f"is {step}: {missing[at]:,} missing. Gaps in {rows.name}: {total:,}, the longest of {longest:,}."
            f"{clock} --fill-gaps {longest} fills them on lines between their neighbours."
        )


def _insert(times, values, missing, step):
    """Return times and values with the steps that are missing, whose values are NaN."""
    places = np.append(0, np.cumsum(missing + 1))
    all_values = np.full((places[-1] + 1, values.shape[1]), np.nan, values.dtype)
    all_values[places] = values
    # The positions of steps count on within a gap, and those of business days leave out holidays elsewhere.
    count_on = np.arange(len(all_values)) - np.repeat(places, np.append(missing + 1, 1))
    positions = np.repeat(step.positions(times)[0], np.append(missing + 1, 1)) + count_on
    all_times = step.times(positions)
    all_times[places] = times
    return all_times, all_values


def _require_filled(rows, absent, order, fill_gaps):
    """Refuse values that are missing more than `fill_gaps` times in a row, or at an end, which has one neighbour."""
    longest = {}
    for column, name in enumerate(rows.names):
        edges = np.diff(np.concatenate([[0], absent[:, column].astype("int8"), [0]]))
        starts, ends = np.flatnonzero(edges > 0), np.flatnonzero(edges < 0)
        refused = (ends - starts > fill_gaps) | (starts == 0) | (ends == len(absent))
        if refused.any():
            longest[name] = starts[refused][0], (ends - starts).max(), (ends - starts).sum()
    if not longest:
        return
    name, (first, *_) = next(iter(longest.items()))
    at_end = absent[0].any() or absent[-1].any()
    others = ", ".join(f"{name} ({count:,}, up to {most:,} in a row)" for name, (_, most, count) in longest.items())
    raise UserError(
        f"{rows.place(order[first], name)}: the value is missing. Missing are values of {others}. --fill-gaps "
        f"{max(most for _, most, _ in longest.values())} fills up to that many in a row on lines between their "
        f"neighbours{', but none at the first or the last time' * bool(at_end)}; --inputs names the columns to read."
    )


def _interpolate(values, absent):
    for column in np.flatnonzero(absent.any(axis=0)):
        missing, known = (np.flatnonzero(mask) for mask in (absent[:, column], ~absent[:, column]))
        values[missing, column] = np.interp(missing, known, values[known, column])


def _notes(averaged, steps, filled):
    counts = {"missing steps": steps, "missing values": filled}
    listed = ", ".join(f"{name} {count:,}" for name, count in counts.items() if count)
    notes = [f"Averaged, as a change of the clock doubled them: steps {averaged:,}."] * bool(averaged)
    return (*notes, *[f"Filled on lines between their neighbours: {listed}."] * bool(listed))
