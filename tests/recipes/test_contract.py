"""What every recipe keeps, as `keras_refs.recipes` says it."""

import dataclasses
import inspect

import pytest

from keras_refs import commands, export, recipes, settings
from tests.conftest import REPOSITORY

GROUPS = [value for value in vars(settings).values() if inspect.isclass(value) and issubclass(value, settings.Settings)]


@pytest.fixture(params=recipes.NAMES)
def recipe(request):
    return recipes.load(request.param)


def test_the_first_sentence_says_what_it_does(recipe):
    summary, empty, *rest = recipe.__doc__.splitlines()
    assert summary[0].isupper()
    assert not empty
    assert f"python -m keras_refs.train {recipe.__name__.rpartition('.')[2]}" in "\n".join(rest)


def test_its_functions_take_what_the_commands_give(recipe):
    train = inspect.signature(recipe.train_and_evaluate).parameters
    assert list(train)[:4] == ["config", "workdir", "export_dir", "resume"]
    assert (train["export_dir"].default, train["resume"].default) == ("saved_models", False)
    replaceable = [name for name, parameter in train.items() if parameter.kind is parameter.KEYWORD_ONLY]
    assert {"build", "callbacks"} <= set(replaceable)
    assert list(inspect.signature(recipe.build).parameters)[:2] == ["config", "data"]
    assert list(inspect.signature(recipe.evaluate).parameters) == ["folder", "config"]
    assert list(inspect.signature(recipe.explain).parameters)[:3] == ["folder", "config", "figures"]
    assert list(inspect.signature(recipe.format_scores).parameters) == ["scores"]
    assert recipe.SCORED_ON in ("on the test split", "in sample")


def test_its_story_is_one_function_without_classes_but_settings(recipe):
    classes = [
        value for value in vars(recipe).values() if inspect.isclass(value) and value.__module__ == recipe.__name__
    ]
    assert all(dataclasses.is_dataclass(value) for value in classes)
    story = inspect.getsource(recipe.train_and_evaluate)
    for step in ("training.Run(", ".compile(", ".fit(", "unfinished_export()", ".finish("):
        assert step in story, step


def test_its_settings_have_one_name_each_and_help(recipe):
    config = recipe.Config()
    names = []

    def look(value):
        for field in dataclasses.fields(value):
            inner = getattr(value, field.name)
            if dataclasses.is_dataclass(inner):
                look(inner)
            else:
                names.append(field.name)

    look(config)
    assert len(names) == len(set(names))
    assert {"epochs", "batch_size", "learning_rate", "seed", "precision"} <= set(names)
    assert settings.override(config, **settings.flatten(config)) == config


def test_a_setting_of_a_shared_group_is_not_declared_again(recipe):
    shared = {field.name for group in GROUPS for field in dataclasses.fields(group)}
    own = [value for value in vars(recipe).values() if inspect.isclass(value) and value.__module__ == recipe.__name__]
    declared = {name for value in own if value.__name__ != "Config" for name in value.__annotations__}
    assert not declared & shared


def test_the_card_of_the_committed_export_is_read(recipe):
    name = recipe.__name__.rpartition(".")[2]
    # Of BERT, only what was trained is committed: the weights are too large.
    folder = REPOSITORY / "adapters" / name if name == "bert_classifier" else REPOSITORY / "saved_models" / name / "1"
    card = export.read_model_card(folder)
    found, config = commands.recipe_of(card)
    assert found is recipe
    written = {name: tuple(value) if isinstance(value, list) else value for name, value in card["settings"].items()}
    assert written.items() <= settings.flatten(config).items()
