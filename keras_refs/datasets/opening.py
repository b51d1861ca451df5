"""Opening a TFDS data set, with a sentence for everything that can go wrong."""

import tensorflow_datasets as tfds

from keras_refs.datasets import catalogue
from keras_refs.errors import UserError


def open_builder(name, data_dir, require):
    """Return the TFDS builder of a data set, prepared.

    Args:
        name: TFDS name.
        data_dir: TFDS data folder; the package's own for a bundled set, else TFDS's default, if `None`.
        require: Function of the builder that raises `UserError` if the data set is of another kind. It is called
            before TFDS downloads anything: a data set should not be downloaded to find that out.

    Raises:
        UserError: If there is no such data set, it is of another kind, or TFDS cannot prepare it.
    """
    try:
        builder = tfds.builder(name, data_dir=catalogue.data_dir_of(name, data_dir))
    except (tfds.core.DatasetNotFoundError, ValueError, AssertionError) as error:
        raise UserError(f"TFDS cannot open the data set {name!r}: {_first_line(error)}") from error
    require(builder)
    if not builder.is_prepared():
        try:
            builder.download_and_prepare()
        except Exception as error:
            raise UserError(
                f"The data set {name!r} is not prepared in {builder.data_dir}, and TFDS could not prepare it: "
                f"{_first_line(error)}"
            ) from error
    return builder


def read_split(builder, split):
    """Return a split of a TFDS builder as one dictionary of arrays, in the order of its examples.

    Raises:
        UserError: If there is no such split.
    """
    try:
        dataset = builder.as_dataset(split=split)
    except ValueError as error:
        raise no_split(builder, split) from error
    batch = dataset.batch(max(1, dataset.cardinality().numpy())).get_single_element()
    return {key: value.numpy() for key, value in batch.items()}


def no_split(builder, split):
    """Return the error that says which splits there are."""
    has = ", ".join(builder.info.splits)
    return UserError(
        f"The data set {builder.name!r} has no examples in {split!r}; its splits are: {has}. "
        "A slice of one of these, such as 'train[80%:]', can stand for a missing test split."
    )


def _first_line(error):
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
