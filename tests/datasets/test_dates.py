import collections

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
    assert set().union(*dates.test.sources) <= set().union(*dates.train.sources), "characters to read are known"


@pytest.mark.parametrize(
    ("written", "iso"),
    [("venerdì, 5/aprile/1991", "1991-04-05"), ("oct.-5-22", "2022-10-05"), ("Sonntag 10/30/22", "2022-10-30")],
)
def test_dates_are_written_as_people_write_them(written, iso):
    train = datasets.generate_dates().train
    assert (iso,) in {target for source, target in zip(train.sources, train.targets, strict=True) if source == written}


def test_no_string_is_two_days(dates):
    known = collections.defaultdict(set)
    for part in (dates.train, dates.validation, dates.test):
        for source, targets in zip(part.sources, part.targets, strict=True):
            known[source.lower()].update(targets)
    assert {len(days) for days in known.values()} == {1}


def test_the_same_numbers_give_the_same_dates(dates):
    assert datasets.generate_dates(3000, 500, 500).train == dates.train
    assert dates.train.targets[0][0][:4].isdigit()
    assert {len(target) for (target,) in dates.test.targets} == {10}
