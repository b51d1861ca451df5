"""SavedModels that name what is in a picture."""

import numpy as np
import tensorflow as tf

from keras_refs.errors import UserError
from keras_refs.export.function import SavedFunction, answer_batch, in_half_precision, tell_class, write_signatures
from keras_refs.export.model_card import read_model_card


def write_image_classifier(
    model, image_shape, class_names, folder, average_mirrored=False, half_precision=False, features=None
):
    """Write an image classifier as a SavedModel with two signatures, or three.

    `serving_default` takes uint8 `images` `(batch, height, width, channels)`; `encoded_images` takes strings
    `encoded_images` `(batch,)`, each the bytes of a PNG or JPEG file of any size, which is converted to the
    model's channels and resized. Both return `label` int64, `class_name` string, both `(batch,)`, and
    `probabilities` float32 `(batch, classes)`. `features`, if there is such a model, takes `images` and returns
    `features`, float32 `(batch, dimensions)`. A batch may be empty.

    Args:
        model: A model from raw pixels to class probabilities, built in float32.
        image_shape: `(height, width, channels)`.
        class_names: A name for each class.
        folder: An existing folder to write into.
        average_mirrored: Whether the answer is the mean of those for the image and for its mirror image: more
            accurate for a model trained on both, at twice the work.
        half_precision: Whether the weights are rounded to float16 and stored so, in half of the space.
        features: A model from raw pixels to what the classifier compares pictures by, of the same layers.
    """

    def run(network, images):
        # Without the check an image of another rank aborts the whole process inside the convolution.
        return answer_batch(network, tf.ensure_shape(images, [None, *image_shape]))

    def classify(images):
        probabilities = run(model, images)
        if average_mirrored:
            probabilities = (probabilities + run(model, tf.reverse(images, axis=[2]))) / 2
        return tell_class(probabilities, class_names)

    def decode(encoded):
        image = tf.io.decode_image(encoded, channels=image_shape[-1], expand_animations=False)
        resized = tf.image.resize(image, image_shape[:2], antialias=True)
        return tf.saturate_cast(tf.round(resized), tf.uint8)

    def classify_encoded(encoded_images):
        return classify(tf.map_fn(decode, encoded_images, fn_output_signature=tf.TensorSpec(image_shape, tf.uint8)))

    def describe(images):
        return {"features": run(features, images)}

    if half_precision:
        classify, classify_encoded, describe = in_half_precision(model, classify, classify_encoded, describe)
    pixels = [tf.TensorSpec([None, *image_shape], tf.uint8, name="images")]
    signatures = {
        "serving_default": (classify, pixels),
        "encoded_images": (classify_encoded, [tf.TensorSpec([None], tf.string, name="encoded_images")]),
        **({"features": (describe, pixels)} if features else {}),
    }
    write_signatures(signatures, folder)


class SavedImageClassifier(SavedFunction):
    """An exported image classifier, used through its `serving_default` signature alone.

    Args:
        folder: A version folder that `write_image_classifier` wrote.

    Raises:
        UserError: If it cannot be loaded or takes no images.
    """

    def __init__(self, folder):
        super().__init__(folder)
        if set(self.inputs) != {"images"}:
            raise UserError(f"{folder} does not hold an exported image classifier; it takes {', '.join(self.inputs)}.")
        self.folder = folder
        self.card = read_model_card(folder)

    @property
    def image_shape(self):
        """`(height, width, channels)` of the images it takes."""
        return tuple(self.inputs["images"].shape[1:])

    @property
    def num_classes(self):
        """Number of classes it tells apart."""
        return self._signature.structured_outputs["probabilities"].shape[-1]

    def predict(self, images, batch_size=500):
        """Return class probabilities float32 `(examples, classes)`.

        Args:
            images: uint8 `(examples, height, width, channels)`.
            batch_size: Images a call of the signature.

        Raises:
            UserError: If the images have another shape or type.
        """
        images = np.asarray(images)
        if images.dtype != np.uint8 or images.shape[1:] != self.image_shape or len(images) == 0:
            shape = ", ".join(map(str, self.image_shape))
            raise UserError(
                f"images must be uint8 pixels (0..255) of shape (one or more examples, {shape}). "
                f"Received: {images.dtype} of shape {images.shape}"
            )
        return super().predict(batch_size, images=images)["probabilities"]
