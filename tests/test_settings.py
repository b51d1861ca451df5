import dataclasses

import pytest

from keras_refs import settings
from keras_refs.errors import UserError


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    training: settings.Training = settings.Training(epochs=3, batch_size=8, learning_rate=0.1)
    compute: settings.Compute = settings.Compute()
    units: tuple[settings.Count, ...] = (4,)


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"distribute": "Mirrored"}, "--distribute must be one of none, mirrored, workers. Received: Mirrored"),
        ({"distribute": None}, "--distribute must be one of none, mirrored, workers. Received: None"),
        ({"jit": "yes"}, "--jit must be one of auto, on, off. Received: yes"),
        ({"epochs": 2.5}, "--epochs must be an integer. Received: 2.5"),
        ({"epochs": True}, "--epochs must be an integer. Received: True"),
        ({"epochs": 0}, "--epochs must be at least 1. Received: 0"),
        ({"seed": 2**31}, "--seed must be at least 0 and less than 2147483648. Received: 2147483648"),
        ({"learning_rate": "fast"}, "--learning-rate must be a number. Received: fast"),
        ({"learning_rate": float("nan")}, "--learning-rate must be finite and greater than 0. Received: nan"),
        ({"average_epochs": float("inf")}, "--average-epochs must be finite and at least 0. Received: inf"),
        ({"deterministic": 1}, "--deterministic must be true or false. Received: 1"),
        ({"unit": (3,)}, "There is no setting unit. Settings are: average_epochs, batch_size,"),
    ],
)
def test_values_that_do_not_fit_are_refused_from_python_too(values, sentence):
    with pytest.raises(UserError) as raised:
        settings.override(Config(), **values)
    assert sentence in str(raised.value)


def test_texts_and_lists_have_types_too():
    with pytest.raises(UserError, match="--data-dir must be text or nothing. Received: 3"):
        settings.ImageData(data_dir=3)
    with pytest.raises(UserError, match="--image-size must be at least 0. Received: -1"):
        settings.ImageData(image_size=-1)
    assert settings.ImageData(data_dir="here").data_dir == "here"


def test_override_finds_a_setting_in_its_group_and_leaves_the_others():
    changed = settings.override(Config(), epochs=5, jit="off", units=[3, 2])
    assert settings.flatten(changed) == {**settings.flatten(Config()), "epochs": 5, "jit": "off", "units": (3, 2)}
    assert settings.override(changed, **settings.flatten(Config())) == Config()


def test_integers_are_numbers_where_numbers_are_asked_for():
    assert settings.override(Config(), learning_rate=1).training.learning_rate == 1
