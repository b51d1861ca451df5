import collections
import datetime

import pytest

from keras_refs import datasets


@pytest.fixture(scope="module")
def dates():
    return datasets.generate_dates(3000, 500, 500)


def test_days_and_formats_are_held_out(dates):
    splits = "train", "validation", "test"
    days = [{target for (target,) in getattr(dates, split).targets} for split in splits]
    formats = [set(datasets.date_formats(split)) for split in splits]
    for sets in (days, formats):
        assert sum(map(len, sets)) == len(set.union(*sets))
    assert sum(map(len, formats)) == 544
    assert len(formats[2]) > 50
    assert set().union(*dates.test.sources) <= set().union(*dates.train.sources), "every character occurs in training"


@pytest.mark.parametrize(
    ("written", "iso"),
    [("venerdì, 5/aprile/1991", "1991-04-05"), ("oct.-5-22", "2022-10-05"), ("Sonntag 10/30/22", "2022-10-30")],
)
def test_dates_are_written_as_people_write_them(written, iso):
    train = datasets.generate_dates(validation_examples=0, test_examples=0).train
    assert (iso,) in {target for source, target in zip(train.sources, train.targets, strict=True) if source == written}


def test_no_string_is_two_days(dates):
    days = collections.defaultdict(set)
    for split in (dates.train, dates.validation, dates.test):
        for source, targets in zip(split.sources, split.targets, strict=True):
            days[source.lower()].update(targets)
    assert {len(targets) for targets in days.values()} == {1}


def test_a_split_follows_from_its_number_of_examples_alone(dates):
    assert datasets.generate_dates(3000, 0, 0).train == dates.train
    assert datasets.generate_dates(0, 0, 500).test == dates.test
    assert datasets.generate_dates(0, 0, 499).test != dates.test


def test_targets_are_existing_dates(dates):
    targets = [target for (target,) in dates.train.targets]
    assert [datetime.date.fromisoformat(target).isoformat() for target in targets] == targets
    assert dates.target_symbols.symbols == tuple("-0123456789")
