"""Where examples come from: TFDS data sets and users' files in, `tf.data` pipelines out.

Every loader takes the TFDS name of a data set, such as `"fashion_mnist"` or `"emnist/letters"`, and `data_dir`, a TFDS
data folder: by default the package's own for a bundled data set, else TFDS's default, where TFDS downloads and prepares
what is not there. Splits are those of TFDS, or slices such as `"train[:80%]"`. A loader raises `UserError` if there is
no such data set or split, or it has not the features that are needed. With `data`, the path of a file or a folder, they
read that in place of a TFDS set, as `keras_refs.datasets.files` says, and raise `UserError` if anything is wrong in it.

Batches to train on are those of the steps `first_step <= step < last_step`, counted over all epochs. They follow from
`seed` and the step alone, so that a run that was stopped goes on with the batches of an unbroken run. With a `Shard` a
process reads its part of each of these batches, and all processes together read them all.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
