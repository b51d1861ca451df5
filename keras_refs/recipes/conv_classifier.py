r"""Name the clothes in Fashion-MNIST's pictures with a small convolutional network.

    python -m keras_refs.train conv_classifier

takes about two and a half minutes on 2 CPU cores with AMX and reaches 0.925 test accuracy with 121,930 parameters.

    python -m keras_refs.train conv_classifier --epochs 60 --patience 60 --batch-size 128 \
        --learning-rate 0.002 --dropout 0.2

takes about ten minutes and reaches 0.932. The README's table has the measured means and spreads.
"""

import dataclasses
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Ge

from keras_refs import datasets, evaluation, export, models, storage, training
from keras_refs.errors import UserError
from keras_refs.recipes import settings

NAME = "conv_classifier"


@dataclasses.dataclass(frozen=True)
class Config(settings.Settings):
    """Settings of the recipe.

    The defaults train listing C1's 121,930 parameters.
    """

    epochs: settings.Count = 14
    """Passes over the training split."""
    batch_size: settings.Count = 64
    """Examples a training step, over all devices together."""
    learning_rate: settings.Positive = 3e-3
    """Highest learning rate; it rises for an epoch and falls to zero along a cosine."""
    average_epochs: settings.NotNegative = 1.0
    """Epochs that the moving average of the weights, which is validated and exported, reaches back; 0 for none."""
    patience: settings.Count = 15
    """Epochs without a better validation accuracy after which training stops."""
    dataset: str = "fashion_mnist"
    """TFDS name of an image-classification data set."""
    train_split: str = "train"
    """TFDS split or slice to train on."""
    test_split: str = "test"
    """TFDS split or slice to score on, once, at the end."""
    image_size: Annotated[int, Ge(0)] = 0
    """Height and width to resize to in pixels; 0 keeps the data set's size."""
    horizontal_flip: bool = True
    """Mirror every other training image."""
    shift: Annotated[int, Ge(0)] = 1
    """Largest random move of a training image in pixels, in both directions."""
    average_mirrored: bool = True
    """Answer with the mean over an image and its mirror image, where training mirrors too; twice the work."""
    filters: tuple[settings.Count, ...] = (32, 64)
    """Output channels of each block's convolutions; one block each."""
    convolutions_per_block: settings.Count = 1
    """Convolutions before each pooling."""
    kernel_size: settings.Count = 3
    """Height and width of the convolution kernels in pixels."""
    padding: Literal["valid", "same"] = "valid"
    """Whether convolutions keep the image's borders (same) or not (valid)."""
    hidden_units: Annotated[int, Ge(0)] = 64
    """Width of the dense layer before the head; 0 leaves it out."""
    batch_normalization: bool = False
    """Normalise over the batch after every convolution."""
    block_dropout: settings.Rate = 0.0
    """Share of activations dropped after every block."""
    dropout: settings.Rate = 0.0
    """Share of activations dropped before the head."""
    l2: settings.NotNegative = 0.0
    """Factor of the L2 penalty on every kernel."""


def train_and_evaluate(config, workdir, export_dir="saved_models", resume=False):
    """Train, choose the best epoch on the validation split, export it and score the export on the test split.

    Args:
        config: A `Config`.
        workdir: Directory of the run, as `training.Run` describes it.
        export_dir: Folder of models; the SavedModel becomes `<export_dir>/conv_classifier/<next version>/`.
        resume: Whether to go on with the run that `workdir` holds.

    Returns:
        What `metrics.json` says: `test` (classification metrics of the export), `history`, `best_epoch`,
        `parameters`, `seconds` of training and `export`, the version folder.

    Raises:
        UserError: If a setting does not fit the data, or a folder cannot be used.
    """
    run = training.Run(workdir, NAME, config, resume)
    if finished := run.metrics:
        print(f"This run is finished; its model is {finished['export']}.")
        return finished
    storage.require_writable(export_dir, "--export-dir")
    device = training.detect_device()
    plan = training.choose_compute(device, "convolutional", config.precision, config.jit)
    print(f"{device.count} x {device.name}. {plan.describe()}")
    training.prepare_process(plan, config.seed, config.deterministic)
    data = load_data(config)
    ran_on = run.record(device.name)["ran_on"]

    model, checkpoints = train(config, data, plan, run)
    for message in checkpoints.restore_best():
        print(message)
    history = checkpoints.history
    with export.new_version(Path(export_dir) / NAME) as version:
        test, probabilities = export_and_score(config, data, model, version.path)
        metrics = {
            "test": test,
            "best_epoch": history.best_epoch() + 1,
            "parameters": model.count_params(),
            "seconds": round(sum(epoch["seconds"] for epoch in history.epochs), 1),
            "history": history.epochs,
        }
        draw(history.epochs, test, probabilities, data, run.figures)
        shutil.copytree(run.figures, version.path / "figures")
        export.write_model_card(version.path, model_card(config, data, metrics, ran_on))
    metrics["export"] = str(version.path)
    run.write_metrics(metrics)
    return metrics


def load_data(config):
    """Return the data set the configuration names, after checking that a batch fits into it."""
    data = datasets.load_image_classification(
        config.dataset,
        config.data_dir,
        config.train_split,
        config.test_split,
        config.validation_fraction,
        config.image_size,
    )
    if config.batch_size > len(data.train):
        raise UserError(
            f"--batch-size must be at most {len(data.train)}, the number of training examples. "
            f"Received: {config.batch_size}"
        )
    return data


def build_model(config, data):
    """Return the network for these data, in Keras's current dtype policy."""
    try:
        return models.conv_classifier(
            input_shape=data.image_shape,
            num_classes=len(data.class_names),
            filters=config.filters,
            convolutions_per_block=config.convolutions_per_block,
            kernel_size=config.kernel_size,
            padding=config.padding,
            hidden_units=config.hidden_units,
            batch_normalization=config.batch_normalization,
            block_dropout=config.block_dropout,
            dropout=config.dropout,
            l2=config.l2,
        )
    except ValueError as error:
        raise UserError(str(error)) from error


def compile_model(config, data, plan):
    """Return the network, compiled for training."""
    import keras

    steps_per_epoch = len(data.train) // config.batch_size
    learning_rate = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=config.learning_rate / 10,
        warmup_target=config.learning_rate,
        warmup_steps=steps_per_epoch,
        decay_steps=max(1, (config.epochs - 1) * steps_per_epoch),
    )
    with plan.scope():
        model = build_model(config, data)
    model.compile(
        keras.optimizers.Adam(
            learning_rate,
            use_ema=config.average_epochs > 0,
            ema_momentum=training.ema_momentum(config.average_epochs, steps_per_epoch),
        ),
        keras.losses.CategoricalCrossentropy(),
        metrics=["accuracy"],
        jit_compile=plan.jit_compile,
        steps_per_execution=training.steps_per_execution(steps_per_epoch),
    )
    return model


def train(config, data, plan, run):
    """Train and return the model and its checkpoints, at the last epoch."""
    steps_per_epoch, num_classes = len(data.train) // config.batch_size, len(data.class_names)
    with training.strategy(config.distribute, config.batch_size).scope():
        model = compile_model(config, data, plan)
        checkpoints = training.Checkpoints(run.checkpoints, model, steps_per_epoch)
    print(f"{len(data.train)} training images, {model.count_params():,} parameters.")
    for message in checkpoints.restore_latest():
        print(message)

    def batches(first_step, last_step):
        return datasets.training_batches(
            data.train,
            num_classes,
            config.batch_size,
            config.seed,
            first_step,
            last_step,
            config.horizontal_flip,
            config.shift,
        )

    training.fit(
        model,
        batches,
        steps_per_epoch,
        config.epochs,
        validation=datasets.evaluation_batches(data.validation, num_classes, batch_size=500),
        checkpoints=checkpoints,
        patience=config.patience,
        log_dir=run.logs,
    )
    return model, checkpoints


def export_and_score(config, data, model, folder):
    """Write the SavedModel; return its signature's scores on the test split and the probabilities they come from."""
    # In float32 and for any device: clients may lack the hardware that the training's precision wants.
    serving_model = build_model(config, data)
    serving_model.set_weights(model.get_weights())
    average_mirrored = config.average_mirrored and config.horizontal_flip
    export.write_image_classifier(serving_model, data.image_shape, data.class_names, folder, average_mirrored)
    probabilities = export.SavedImageClassifier(folder).predict(data.test.images)
    return evaluation.classification_metrics(data.test.labels, probabilities, data.class_names), probabilities


def draw(history, test, probabilities, data, folder):
    """Draw learning curves, confusion matrix and the most confident mistakes into a folder."""
    figures = evaluation.figures
    figures.save_learning_curves(history, folder / "learning_curves.png")
    figures.save_confusion_matrix(test["confusion_matrix"], data.class_names, folder / "confusion_matrix.png")
    figures.save_confident_mistakes(
        data.test.images, data.test.labels, probabilities, data.class_names, folder / "confident_mistakes.png"
    )


def model_card(config, data, metrics, ran_on):
    """Return what `export.write_model_card` puts on the card."""
    return {
        "name": NAME,
        "summary": __doc__.splitlines()[0],
        "date": datetime.now(UTC).date().isoformat(),
        "settings": dataclasses.asdict(config),
        "ran_on": ran_on,
        "epochs": len(metrics["history"]),
        **{key: metrics[key] for key in ("best_epoch", "parameters", "seconds", "test")},
        "dataset": {
            "name": data.name,
            "homepage": data.homepage,
            "citation": data.citation,
            "class_names": data.class_names,
            "image_shape": data.image_shape,
            "train_split": config.train_split,
            "test_split": config.test_split,
            "examples": {split: len(getattr(data, split)) for split in ("train", "validation", "test")},
        },
    }
