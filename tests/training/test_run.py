import dataclasses
import json
import shutil
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_refs import export, settings, training
from keras_refs.errors import UserError


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    training: settings.Training = settings.Training(epochs=2, batch_size=5, learning_rate=0.01, average_epochs=0.0)
    compute: settings.Compute = settings.Compute(precision="float32")


def new_run(folder, config=Config(), resume=False):
    return training.Run("points", config, folder / "run", folder / "models", resume, family="dense")


def build():
    return keras.Sequential([keras.Input((2,), name="features"), keras.layers.Dense(1)], name="points")


def fit(run, mode="min", callbacks=()):
    points = np.random.default_rng(0).normal(size=(20, 2)).astype("float32")
    dataset = tf.data.Dataset.from_tensors((points[:5], points[:5, :1]))
    steps = run.steps_per_epoch(len(points))
    with run.scope():
        model = build()
        model.compile(training.adam(Config().training, steps), "mse", **run.compile_options(steps))

    def batches(first_step, last_step):
        return dataset.repeat(last_step - first_step)

    return model, run.fit(model, batches, steps, dataset, monitor="val_loss", mode=mode, callbacks=callbacks)


def finish(run, model, history):
    data = types.SimpleNamespace(train="abc", validation="ab", test="a", name="points", homepage="", citation="")
    card = {"summary": "s", "signatures": "", "limits": "", "scored_on": "somewhere", "columns": ["x", "y"]}
    with run.unfinished_export() as folder:
        signature = export.checked(lambda x: {"y": model(x)}, {"features": (tf.float32, (2,))})
        export.write_saved_model(folder, model, {"serving_default": signature}, {})
        return run.finish(folder, model, history, data, {"mse": 0.5}, str, card)


def test_a_run_writes_what_it_did_and_publishes_its_export(tmp_path):
    run = new_run(tmp_path)
    metrics = finish(run, *fit(run))
    assert metrics["export"] == str(tmp_path / "models" / "points" / "1")
    assert [epoch["epoch"] for epoch in metrics["history"]] == [1, 2]
    assert training.finished(tmp_path / "run") == json.loads(json.dumps(metrics))
    card = export.read_model_card(metrics["export"])
    assert card["settings"] == settings.flatten(Config())
    assert card["columns"] == ["x", "y"]
    assert card["dataset"]["examples"] == {"train": 3, "validation": 2, "test": 1}
    assert {path.name for path in (tmp_path / "models" / "points").iterdir()} == {"1"}


def test_weights_that_were_trained_elsewhere_are_exported_with_the_record_of_that(tmp_path):
    run, history = new_run(tmp_path), training.History("loss", "min")
    ran_on = {"device": "a GPU", "versions": {"keras": "3"}}
    run.record(ran_on)
    history.epochs = [{"epoch": 1, "seconds": 1.5, "loss": 2.0}]
    card = export.read_model_card(finish(run, build(), history)["export"])
    assert card["ran_on"] == ran_on and card["seconds"] == 1.5
    assert json.loads((tmp_path / "run" / "config.json").read_text())["ran_on"] == ran_on


def test_nothing_is_written_before_the_fit(tmp_path):
    run = new_run(tmp_path)
    with pytest.raises(UserError, match="--batch-size must be at most 4, the number of training examples. Received: 5"):
        run.steps_per_epoch(4)
    with pytest.raises(UserError, match="units"), run.scope():
        keras.layers.Dense(-1)
    assert list(tmp_path.iterdir()) == []
    new_run(tmp_path)


def test_the_first_run_is_left_alone_unless_it_is_resumed(tmp_path):
    fit(new_run(tmp_path))
    before = (tmp_path / "run" / "config.json").read_bytes()
    with pytest.raises(UserError, match="already holds a run with these settings. Add --resume"):
        new_run(tmp_path)
    other = settings.override(Config(), seed=1)
    with pytest.raises(UserError, match="holds a run with other settings: seed was 0 and is now 1. Use the same"):
        new_run(tmp_path, other, resume=True)
    _, history = fit(new_run(tmp_path, resume=True))
    assert [epoch["epoch"] for epoch in history.epochs] == [1, 2]
    assert (tmp_path / "run" / "config.json").read_bytes() == before


def test_a_resumed_run_keeps_its_precision_whatever_would_be_measured_now(tmp_path):
    config = settings.override(Config(), precision="auto")
    fit(new_run(tmp_path, config))
    path = tmp_path / "run" / "config.json"
    recorded = json.loads(path.read_text())
    assert recorded["ran_on"]["precision"] in ("float32", "mixed_bfloat16")
    for precision in ("float32", "mixed_bfloat16"):
        recorded["ran_on"]["precision"] = precision
        path.write_text(json.dumps(recorded))
        with new_run(tmp_path, config, resume=True).scope():
            assert keras.config.dtype_policy().name == precision


@pytest.mark.parametrize("name", ["checkpoints/model.keras", "notes.txt", "checkpoints/step-00000001.index"])
@pytest.mark.parametrize("resume", [False, True])
def test_a_folder_of_somebody_else_is_refused_and_left_alone(name, resume, tmp_path):
    path = tmp_path / "run" / name
    path.parent.mkdir(parents=True)
    path.write_text("somebody's")
    with pytest.raises(UserError, match=r"run is not empty and holds no run. Choose a new folder or an empty one."):
        new_run(tmp_path, resume=resume)
    assert path.read_text() == "somebody's"


def test_a_config_that_is_no_record_of_a_run(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text("[]")
    with pytest.raises(UserError, match="is not the record of a run. Choose another --workdir."):
        new_run(tmp_path, resume=True)


def test_the_mode_decides_which_epoch_is_exported(tmp_path):
    weights = []

    class Remember(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            weights.append(self.model.get_weights()[0])

    model, history = fit(new_run(tmp_path), mode="max", callbacks=[Remember()])
    losses = [epoch["val_loss"] for epoch in history.epochs]
    assert losses[0] > losses[1]
    assert history.best_epoch() == 0
    np.testing.assert_array_equal(model.get_weights()[0], weights[0])


def test_room_for_the_checkpoints_is_found_before_the_work(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=100_000_100))
    run = new_run(tmp_path)
    # Four checkpoints of three weights and their moments take more than the 100 bytes that are left.
    with pytest.raises(UserError, match="--workdir .* needs 100 MB of free disk space; 100 MB are left there."):
        fit(run)
    assert list(tmp_path.iterdir()) == []
