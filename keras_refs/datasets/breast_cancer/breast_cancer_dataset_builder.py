"""How TFDS makes the data set `breast_cancer`."""

import csv

import numpy as np
import tensorflow_datasets as tfds

CLASS_NAMES = ("malignant", "benign")
_MEASURES = ["radius", "texture", "perimeter", "area", "smoothness", "compactness", "concavity"]
_MEASURES += ["concave points", "symmetry", "fractal dimension"]
_FORMS = ("mean {}", "{} error", "worst {}")
FEATURE_NAMES = tuple(form.format(measure) for form in _FORMS for measure in _MEASURES)


class Builder(tfds.core.GeneratorBasedBuilder):
    """Builder of the data set `breast_cancer`, the Wisconsin diagnostic data."""

    VERSION = tfds.core.Version("1.0.0")
    MANUAL_DOWNLOAD_INSTRUCTIONS = """
    `breast_cancer.csv` of the PyPI package `scikit-learn` 1.9.1. The folder that holds it is `sklearn/datasets/data`,
    after:

        pip download --no-deps scikit-learn==1.9.1
        unzip scikit_learn-1.9.1-*.whl 'sklearn/datasets/data/breast_cancer.csv'
    """

    def _info(self):
        features = {
            "features": tfds.features.Tensor(shape=(len(FEATURE_NAMES),), dtype=np.float32),
            "label": tfds.features.ClassLabel(names=CLASS_NAMES),
        }
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(features),
            supervised_keys=("features", "label"),
            homepage="https://archive.ics.uci.edu/dataset/17/breast+cancer+wisconsin+diagnostic",
            metadata=tfds.core.MetadataDict(feature_names=list(FEATURE_NAMES)),
        )

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples(dl_manager.manual_dir / "breast_cancer.csv")}

    def _generate_examples(self, path):
        with path.open() as file:
            rows = csv.reader(file)
            _, _, *names = next(rows)
            # The last column counts in the order of the header, which need not be the order of the classes here.
            for row, (*values, label) in enumerate(rows):
                yield row, {"features": np.array(values, np.float32), "label": names[int(label)]}
