r"""Pronounce English words: spelling in, ARPAbet phonemes without stress out.

    python -m keras_refs.train g2p
    python -m keras_refs.train g2p --units 384 --embedding-dim 96 --epochs 4 --dropout 0.1 --learning-rate 0.003 \
        --average-epochs 0.3

The first gets 26.1 % of 11,869 words wrong that it was not trained on, and 6.1 % of their phonemes (three seeds, 4.2
million parameters), and takes an hour on two cores of an AMD EPYC that had other work, too. On the same words
Phonetisaurus 0.3.0 has 28.4 and 6.9 %, g2p-en 2.1.0 27.2 and 8.0 %. The second command takes four minutes there and
gets 32.6 % wrong (three seeds).
"""

import dataclasses
import re

from keras_refs import datasets
from keras_refs.recipes import seq2seq, settings


@dataclasses.dataclass(frozen=True)
class Config(seq2seq.Seq2SeqSettings, settings.DataSettings):
    """Settings of the recipe."""

    dataset: str = "cmudict"
    """TFDS name of a data set with one text and one sequence of texts, its pronunciations."""
    train_split: str = "train"
    """TFDS split or slice to train on."""
    validation_split: str = "validation"
    """TFDS split or slice to choose the best epoch on."""
    test_split: str = "test"
    """TFDS split or slice to score on, once, at the end."""
    embedding_dim: settings.Count = 128
    """Width of the embeddings."""
    units: settings.Count = 512
    """Width of the encoder's outputs and of the decoder; even if the encoder reads in both directions."""
    encoder_layers: settings.Count = 2
    """LSTM layers of the encoder."""
    dropout: settings.Rate = 0.45
    """Share dropped of the outputs of encoder, decoder and combination."""
    longest_source: settings.Count = 64
    """Letters that the export reads of a word; what follows is left out."""
    epochs: settings.Count = 50
    """Passes over the training split."""
    batch_size: settings.Count = 256
    """Examples a training step, over all devices together."""
    learning_rate: settings.Positive = 2e-3
    """Highest learning rate; it rises for an epoch and falls to zero along a cosine."""
    clip_norm: settings.NotNegative = 1.0
    """Longest gradient of a variable, longer ones are shortened to it; 0 for no limit."""


class Recipe(seq2seq.Seq2SeqRecipe):
    """Train `models.attention_seq2seq` on every word with each of its pronunciations."""

    name = "g2p"
    source_name = "words"
    target_name = "phonemes"
    separator = " "
    shown = ("rough", "through", "thoughtful", "xylophone", "psychology", "keras", "wednesday", "quixotic")
    limits = (
        "It speaks North American English as the CMU Pronouncing Dictionary writes it, one pronunciation a word, "
        "whatever the\nsentence around it. Names of other languages, abbreviations and misspellings are where most of "
        "its errors are."
    )

    def load_data(self):
        """Return the `datasets.TranscriptionDataset` the settings name, without stress."""
        config = self.config
        splits = config.train_split, config.validation_split, config.test_split
        return datasets.load_transcriptions(
            config.dataset, config.data_dir, splits, simplify=lambda phonemes: re.sub(r"\d", "", phonemes)
        )

    def _format(self, scores):
        return f"word error rate {scores['word_error_rate']:.4f}, phoneme error rate {scores['symbol_error_rate']:.4f}"
