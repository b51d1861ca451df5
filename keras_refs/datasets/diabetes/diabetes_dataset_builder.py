"""How TFDS makes the data set `diabetes`."""

import numpy as np
import tensorflow_datasets as tfds

FEATURE_NAMES = ("age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6")


class Builder(tfds.core.GeneratorBasedBuilder):
    """Builder of the data set `diabetes`, in the units of the source."""

    VERSION = tfds.core.Version("1.0.0")
    MANUAL_DOWNLOAD_INSTRUCTIONS = """
    `diabetes_data_raw.csv.gz` and `diabetes_target.csv.gz` of the PyPI package `scikit-learn` 1.9.1. The folder that
    holds them is `sklearn/datasets/data`, after:

        pip download --no-deps scikit-learn==1.9.1
        unzip scikit_learn-1.9.1-*.whl 'sklearn/datasets/data/diabetes*'
    """

    def _info(self):
        features = {
            "features": tfds.features.Tensor(shape=(len(FEATURE_NAMES),), dtype=np.float32),
            "target": tfds.features.Scalar(dtype=np.float32),
        }
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(features),
            supervised_keys=("features", "target"),
            homepage="https://scikit-learn.org/stable/datasets/toy_dataset.html#diabetes-dataset",
            metadata=tfds.core.MetadataDict(feature_names=list(FEATURE_NAMES)),
        )

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples(dl_manager.manual_dir)}

    def _generate_examples(self, folder):
        features = np.loadtxt(folder / "diabetes_data_raw.csv.gz", dtype=np.float32)
        targets = np.loadtxt(folder / "diabetes_target.csv.gz", dtype=np.float32)
        for row, (values, target) in enumerate(zip(features, targets, strict=True)):
            yield row, {"features": values, "target": target}
