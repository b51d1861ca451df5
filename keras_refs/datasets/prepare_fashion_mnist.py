"""Make the bundled Fashion-MNIST anew: `python -m keras_refs.datasets.prepare_fashion_mnist SOURCE DATA_DIR`.

SOURCE is the folder with the four `.gz` files, such as /usr/share/datasets/fashion-mnist of Debian's package
`dataset-fashion-mnist`. TFDS's own builder reads them through its downloader, which takes `file://` URLs, and writes
its prepared form into DATA_DIR: the same examples in the same order each time.
"""

import argparse
from pathlib import Path

from keras_refs.datasets import prepare


def main():
    """Prepare the data set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path, help="folder of the four .gz files")
    parser.add_argument("data_dir", type=Path, help="TFDS data folder to write into")
    arguments = parser.parse_args()
    if not (arguments.source / "train-images-idx3-ubyte.gz").exists():
        parser.error(f"{arguments.source} does not hold train-images-idx3-ubyte.gz")

    import tempfile

    import tensorflow_datasets as tfds
    from tensorflow_datasets.image_classification import mnist

    mnist.FashionMNIST.URL = arguments.source.resolve().as_uri() + "/"
    builder = tfds.builder("fashion_mnist", data_dir=arguments.data_dir)
    with tempfile.TemporaryDirectory() as downloads:
        builder.download_and_prepare(download_dir=downloads)
    prepare.compress(builder.data_dir)
    print(f"Prepared in {builder.data_dir}")


if __name__ == "__main__":
    main()
