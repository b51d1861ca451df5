"""Make a bundled data set anew: `python -m keras_refs.datasets.prepare NAME SOURCE DATA_DIR`.

SOURCE is the folder with the files that the data set is made of; a wrong one prints where they come from. TFDS writes
the same examples in the same order each time into DATA_DIR, as Parquet, compressed across examples: a dictionary of
117,493 words has a seventh of the size of its TFRecord.
"""

import argparse
import importlib
from collections.abc import Sequence
from pathlib import Path

NAMES = sorted(["fashion_mnist", *(path.parent.name for path in Path(__file__).parent.glob("*/*_dataset_builder.py"))])


def main(arguments: Sequence[str] | None = None) -> None:
    """Prepare the data set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", metavar="NAME", choices=NAMES, help=f"one of: {', '.join(NAMES)}")
    parser.add_argument("source", metavar="SOURCE", type=Path, help="folder of the files it is made of")
    parser.add_argument("data_dir", metavar="DATA_DIR", type=Path, help="TFDS data folder to write into")
    parsed = parser.parse_args(arguments)

    import tempfile

    import tensorflow as tf
    import tensorflow_datasets as tfds

    builder, instructions = _open(parsed.name, parsed.source, parsed.data_dir)
    # TFDS would leave it as it is.
    if builder.is_prepared():
        parser.error(f"{builder.data_dir} exists already")
    needed = f"SOURCE must hold these files.\n{instructions}"
    if not parsed.source.is_dir():
        parser.error(f"{parsed.source} is not a folder. {needed}")
    config = tfds.download.DownloadConfig(manual_dir=parsed.source, try_download_gcs=False)
    with tempfile.TemporaryDirectory() as downloads:
        try:
            builder.download_and_prepare(download_dir=downloads, download_config=config)
        except (FileNotFoundError, tf.errors.NotFoundError) as error:
            parser.error(f"{error}. {needed}")
    compress(builder.data_dir)
    print(f"Prepared in {builder.data_dir}")


def _open(name, source, data_dir):
    """Return the builder, and the instructions for what its source must hold."""
    if name != "fashion_mnist":
        builder = importlib.import_module(f"keras_refs.datasets.{name}.{name}_dataset_builder").Builder
        return builder(data_dir=data_dir), builder.MANUAL_DOWNLOAD_INSTRUCTIONS
    import tensorflow as tf
    from tensorflow_datasets.image_classification.mnist import FashionMNIST

    builder = FashionMNIST(data_dir=data_dir)
    # TFDS's own builder reads its files through the downloader, which takes `file://` URLs.
    builder.URL = source.resolve().as_uri() + "/"
    generate_arrays = builder._generate_examples

    def generate_examples(**files):
        # Rows filtered but not deflated, so that Parquet's compression sees them: 82 % of the size of deflated images.
        for key, example in generate_arrays(**files):
            yield key, {**example, "image": tf.io.encode_png(example["image"], compression=0).numpy()}

    builder._generate_examples = generate_examples
    files = "The four `.gz` files, such as /usr/share/datasets/fashion-mnist of Debian's `dataset-fashion-mnist`."
    return builder, files


def compress(folder: str | Path) -> None:
    """Turn the TFRecord files of a prepared data set into Parquet files, which TFDS reads as well, compressed.

    TFDS 4.9.10 can write Parquet itself, but leaves out most of the examples.
    """
    import pyarrow.parquet
    import tensorflow as tf

    folder = Path(folder)
    for path in folder.glob("*.tfrecord*"):
        examples = [example.numpy() for example in tf.data.TFRecordDataset(path)]
        table = pyarrow.table({"data": pyarrow.array(examples, pyarrow.binary())})
        target = folder / path.name.replace(".tfrecord", ".parquet")
        pyarrow.parquet.write_table(table, target, compression="brotli", compression_level=11, use_dictionary=False)
        path.unlink()
    information = folder / "dataset_info.json"
    information.write_text(information.read_text().replace('"fileFormat": "tfrecord"', '"fileFormat": "parquet"'))


if __name__ == "__main__":
    main()
