"""How TFDS makes the data set `nyse`."""

import csv

import numpy as np
import tensorflow_datasets as tfds

DAY_NAMES = ("mon", "tues", "wed", "thur", "fri")
VALUE_NAMES = ("DJ_return", "log_volume", "log_volatility")


class Builder(tfds.core.GeneratorBasedBuilder):
    """Builder of the data set `nyse`: one example a trading day, in order of time."""

    VERSION = tfds.core.Version("1.0.0")
    MANUAL_DOWNLOAD_INSTRUCTIONS = """
    `NYSE.csv` of the PyPI package `ISLP` 0.6.0. The folder that holds it is `ISLP/data`, after:

        pip download --no-deps ISLP==0.6.0
        unzip islp-0.6.0-*.whl ISLP/data/NYSE.csv
    """

    def _info(self):
        features = {
            "date": tfds.features.Text(),
            "day_of_week": tfds.features.ClassLabel(names=DAY_NAMES),
            "values": tfds.features.Tensor(shape=(len(VALUE_NAMES),), dtype=np.float32),
        }
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(features),
            # Time must run on from one example to the next.
            disable_shuffling=True,
            homepage="https://islp.readthedocs.io/en/latest/datasets/NYSE.html",
            metadata=tfds.core.MetadataDict(value_names=list(VALUE_NAMES)),
        )

    def _split_generators(self, dl_manager):
        path = dl_manager.manual_dir / "NYSE.csv"
        return {"train": self._generate_examples(path, "TRUE"), "test": self._generate_examples(path, "FALSE")}

    def _generate_examples(self, path, train_flag):
        with path.open() as file:
            for day, row in enumerate(csv.DictReader(file)):
                if row["train"] == train_flag:
                    values = np.array([row[name] for name in VALUE_NAMES], np.float32)
                    yield day, {"date": row["date"], "day_of_week": row["day_of_week"], "values": values}
