"""Make a bundled data set anew: `python -m keras_refs.datasets.prepare NAME SOURCE DATA_DIR`.

SOURCE is the folder with the files that the data set is made of; where they come from is in the builder's
MANUAL_DOWNLOAD_INSTRUCTIONS, which a wrong SOURCE prints. TFDS writes the prepared form into DATA_DIR: the same
examples in the same order each time. Fashion-MNIST, whose builder is TFDS's own, is made by `prepare_fashion_mnist`.

The form is Parquet, compressed across examples: a dictionary of 117,493 words has a ninth of the size of its TFRecord.
"""

import argparse
import importlib
from pathlib import Path

NAMES = sorted(path.parent.name for path in Path(__file__).parent.glob("*/*_dataset_builder.py"))


def main(arguments=None):
    """Prepare the data set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", metavar="NAME", choices=NAMES, help=f"one of: {', '.join(NAMES)}")
    parser.add_argument("source", metavar="SOURCE", type=Path, help="folder of the files it is made of")
    parser.add_argument("data_dir", metavar="DATA_DIR", type=Path, help="TFDS data folder to write into")
    arguments = parser.parse_args(arguments)

    import tempfile

    import tensorflow_datasets as tfds

    module = importlib.import_module(f"keras_refs.datasets.{arguments.name}.{arguments.name}_dataset_builder")
    builder = module.Builder(data_dir=arguments.data_dir)
    # TFDS would leave it as it is.
    if builder.is_prepared():
        parser.error(f"{builder.data_dir} exists already")
    needed = f"SOURCE must hold these files.\n{builder.MANUAL_DOWNLOAD_INSTRUCTIONS}"
    if not arguments.source.is_dir():
        parser.error(f"{arguments.source} is not a folder. {needed}")
    config = tfds.download.DownloadConfig(manual_dir=arguments.source, try_download_gcs=False)
    with tempfile.TemporaryDirectory() as downloads:
        try:
            builder.download_and_prepare(download_dir=downloads, download_config=config)
        except FileNotFoundError as error:
            parser.error(f"{error}. {needed}")
    compress(builder.data_dir)
    print(f"Prepared in {builder.data_dir}")


def compress(folder):
    """Turn the TFRecord files of a prepared data set into Parquet files, which TFDS reads as well, compressed.

    TFDS 4.9.10 can write Parquet itself, but leaves out most of the examples.
    """
    import pyarrow.parquet
    import tensorflow as tf

    folder = Path(folder)
    for path in folder.glob("*.tfrecord*"):
        examples = [example.numpy() for example in tf.data.TFRecordDataset(path)]
        pyarrow.parquet.write_table(
            pyarrow.table({"data": pyarrow.array(examples, pyarrow.binary())}),
            folder / path.name.replace(".tfrecord", ".parquet"),
            compression="zstd",
            compression_level=19,
            use_dictionary=False,
        )
        path.unlink()
    information = folder / "dataset_info.json"
    information.write_text(information.read_text().replace('"fileFormat": "tfrecord"', '"fileFormat": "parquet"'))


if __name__ == "__main__":
    main()
