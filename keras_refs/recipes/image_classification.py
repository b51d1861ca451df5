"""What the recipes for image classification share: their data, export and scores."""

import dataclasses
from typing import Annotated

from annotated_types import Ge

from keras_refs import datasets, evaluation, export
from keras_refs.errors import UserError
from keras_refs.recipes import settings
from keras_refs.recipes.recipe import Recipe


@dataclasses.dataclass(frozen=True)
class PictureSettings(settings.DataSettings):
    """Settings of every recipe that learns from pictures."""

    dataset: str = "fashion_mnist"
    """TFDS name of an image-classification data set."""
    train_split: str = "train"
    """TFDS split or slice to train on."""
    test_split: str = "test"
    """TFDS split or slice to score on, once, at the end."""
    validation_fraction: settings.Fraction = 0.05
    """Share of the training split that is held out to choose the best epoch."""
    image_size: Annotated[int, Ge(0)] = 0
    """Height and width to resize to in pixels; 0 keeps the data set's size."""

    def load(self):
        """Return the `datasets.ImageDataset` that the settings name."""
        return datasets.load_image_classification(
            self.dataset, self.data_dir, self.train_split, self.test_split, self.validation_fraction, self.image_size
        )


@dataclasses.dataclass(frozen=True)
class ImageSettings(PictureSettings):
    """Settings of every recipe that names what is in a picture."""

    horizontal_flip: bool = True
    """Mirror every other training image."""
    shift: Annotated[int, Ge(0)] = 1
    """Largest random move of a training image in pixels, in both directions."""
    average_mirrored: bool = True
    """Answer with the mean over an image and its mirror image, where training mirrors too; twice the work."""


class ImageClassification(Recipe):
    """A recipe that names what is in a picture; its model goes from raw pixels to class probabilities.

    Attributes:
        half_precision: Whether the export stores its weights as float16.
    """

    half_precision = False
    loss = "categorical_crossentropy"
    metrics = ("accuracy",)
    monitor = "val_accuracy"
    limits = (
        "It names pictures like those it was trained on. It always answers with one of its classes, also for a "
        "picture that\nshows none of them, and its probabilities were not calibrated. Pictures with another "
        "background, framing or pose than\nthe training data's lie outside what was measured."
    )

    @property
    def signatures(self):
        """What the export takes and returns, as Markdown."""
        height, width, channels = self.data.image_shape
        classes = self.data.class_names
        return (
            f"- `serving_default`: `images`, uint8 `[batch, {height}, {width}, {channels}]`, pixel values 0..255\n"
            "- `encoded_images`: `encoded_images`, string `[batch]`, the bytes of PNG or JPEG files of any size; they "
            "are resized\n\n"
            "Both return `label` (int64 `[batch]`), `class_name` (string `[batch]`) and `probabilities` (float32 "
            f"`[batch, {len(classes)}]`).\n\n"
            f"Classes: {', '.join(classes)}."
        )

    def load_data(self):
        """Return the `datasets.ImageDataset` the settings name."""
        return self.config.load()

    def training_batches(self, first_step, last_step):
        """Return shuffled, augmented `(images, one-hot targets)`."""
        config = self.config
        return datasets.training_batches(
            self.data.train,
            len(self.data.class_names),
            config.batch_size,
            config.seed,
            first_step,
            last_step,
            config.horizontal_flip,
            config.shift,
        )

    def validation_batches(self):
        """Return `(images, one-hot targets)` of the validation split."""
        return datasets.evaluation_batches(self.data.validation, len(self.data.class_names), batch_size=500)

    def features(self, model):
        """Return the model from pixels to what pictures can be compared by, of the same layers; `None` for none."""
        return

    def write_export(self, model, folder):
        """Write the SavedModel with signatures for pixels and for encoded images."""
        average_mirrored = self.config.average_mirrored and self.config.horizontal_flip
        data = self.data
        export.write_image_classifier(
            model,
            data.image_shape,
            data.class_names,
            folder,
            average_mirrored,
            self.half_precision,
            self.features(model),
        )

    def examples(self):
        """Return the first test image, as pixels and as a PNG file."""
        import tensorflow as tf

        images = self.data.test.images[:1]
        encoded = [tf.io.encode_png(images[0]).numpy()]
        return {"serving_default": {"images": images}, "encoded_images": {"encoded_images": encoded}}

    def score(self, folder):
        """Return classification metrics of the export on the test split, and its probabilities."""
        model = export.SavedImageClassifier(folder)
        # Not from `self.data`: to score a model, nobody should have to read the training split.
        image_size = model.image_shape[0] if self.config.image_size else 0
        test, class_names = datasets.load_image_split(
            self.config.dataset, self.config.data_dir, self.config.test_split, image_size
        )
        if len(class_names) != model.num_classes:
            raise UserError(
                f"The model has {model.num_classes} classes and the data set {self.config.dataset!r} has "
                f"{len(class_names)}; score it on a data set with the classes it was trained on."
            )
        probabilities = model.predict(test.images)
        return evaluation.classification_metrics(test.labels, probabilities, class_names), probabilities

    def format_scores(self, scores):
        """Return precision, recall and F1 by class, then accuracy and loss."""
        return evaluation.format_classification_metrics(scores)

    def draw(self, history, scores, predictions, folder):
        """Draw learning curves, confusion matrix and the most confident mistakes."""
        figures, test, class_names = evaluation.figures, self.data.test, self.data.class_names
        figures.save_learning_curves(history, folder / "learning_curves.png")
        figures.save_confusion_matrix(scores["confusion_matrix"], class_names, folder / "confusion_matrix.png")
        figures.save_confident_mistakes(
            test.images, test.labels, predictions, class_names, folder / "confident_mistakes.png"
        )

    def explain(self, folder, figures, texts=()):
        """Draw for the first test picture of every class, ten at most, what speaks for the class it is taken for.

        Of the network alone: that an export may average over mirror images is left aside.
        """
        import numpy as np
        import tensorflow as tf

        model, test, class_names = self.read_model(folder), self.data.test, self.data.class_names
        evaluation.answer_with_logits(model)
        labels, first = (found[:10] for found in np.unique(test.labels, return_index=True))
        images = test.images[first]
        probabilities = tf.nn.softmax(model(images)).numpy()
        classes = probabilities.argmax(axis=1)
        titles = [
            f"{class_names[found]} {share:.0%}\nis {class_names[label]}"
            for found, share, label in zip(classes, probabilities.max(axis=1), labels, strict=True)
        ]
        maps = self.attributions(model, images, classes)
        evaluation.explanations.save_maps(images, titles, maps, figures / "attributions.png")

    def attributions(self, model, images, classes):
        """Return by name what the logits of these classes depend on, as `explanations.save_maps` takes it."""
        return {"saliency": evaluation.saliency(model, images, classes)}


def on_pixels(network, image_shape, input_shape, name):
    """Return a model from raw pixels to what a network for plain numbers answers.

    Args:
        network: A model that takes numbers of 0..1 in another shape than an image's.
        image_shape: `(height, width, channels)`.
        input_shape: Shape of the network's input, without the batch.
        name: Name of the model.
    """
    import keras

    images = keras.Input(image_shape, name="images")
    x = keras.layers.Reshape(input_shape, name="reshape")(images)
    return keras.Model(images, network(keras.layers.Rescaling(1 / 255, name="rescaling")(x)), name=name)
