r"""Pronounce English words: spelling in, ARPAbet phonemes without stress out.

    python -m keras_refs.train g2p
    python -m keras_refs.train g2p --units 384 --embedding-dim 96 --epochs 4 --dropout 0.1 --learning-rate 0.003 \
        --average-epochs 0.3
    python -m keras_refs.train g2p --teachers saved_models/g2p --sampled 3 --units 240 --embedding-dim 64 \
        --dropout 0.1 --epochs 12 --learning-rate 0.003

The first gets 26.1 % of 11,869 words wrong that it was not trained on, and 6.1 % of their phonemes (three seeds, 4.2
million parameters), and takes an hour on two cores of an AMD EPYC that had other work, too. On the same words
Phonetisaurus 0.3.0 has 28.4 and 6.9 %, g2p-en 2.1.0 27.2 and 8.0 %. The second command takes four minutes there and
gets 32.6 % wrong (three seeds). The third trains 946,697 parameters, in 79 minutes there, on what the trained model
makes of the words and of 160,000 that are sampled letter by letter, and gets 27.0 % wrong (one seed).

The trained model learned in the same way, from eight networks, and gets 24.8 % wrong; a network of the third command's
size that learns from the eight gets 25.5 %. The guide "Measurements" says how, under "One network from eight".

On up to 16,000 training words its defaults are others: a smaller network with hard attention, which also learns from
pairs that are spliced from others. After 1,000 words it gets 66 % of the same test words wrong, after 4,000 50 %, after
8,000, a quarter of an hour there, 43 %, and after 33,000, with the usual defaults, 32 %; Phonetisaurus has 67, 52, 46
and 36 % after the same words.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_refs import datasets, evaluation, export, settings, training
from keras_refs.recipes import sequences

if TYPE_CHECKING:
    import keras

SCORED_ON, build = "on the test split", sequences.build
SHOWN = ("rough", "through", "thoughtful", "xylophone", "psychology", "keras", "wednesday", "quixotic")
"""Words whose attention is drawn."""
LIMITS = (
    "It speaks North American English as the CMU Pronouncing Dictionary writes it, one pronunciation per word, "
    "whatever the\nsentence around it. Most of its errors are in names from other languages, abbreviations and "
    "misspellings."
)


LITTLE = {
    "attention": "hard",
    "embedding_dim": 64,
    "units": 128,
    "encoder_layers": 1,
    "batch_size": 64,
    "learning_rate": 4e-3,
    "spliced": 3,
}
LITTLE_DATA = {
    2_000: {**LITTLE, "dropout": 0.25, "epochs": 50},
    6_000: {**LITTLE, "dropout": 0.25, "epochs": 14},
    16_000: {**LITTLE, "dropout": 0.2, "epochs": 10, "units": 192},
}
"""Settings for little data, by the greatest number of training words that they are for; from validation splits."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """Settings of the recipe."""

    data: settings.TranscriptionData = settings.TranscriptionData(dataset="cmudict")
    network: sequences.Network = sequences.Network(embedding_dim=128, units=512, encoder_layers=2, dropout=0.45)
    training: sequences.Training = sequences.Training(epochs=50, batch_size=256, learning_rate=2e-3, clip_norm=1.0)
    decoding: sequences.Decoding = sequences.Decoding()
    compute: settings.Compute = settings.Compute()


def config_for(data: settings.TranscriptionData) -> Config:
    """Return the defaults for a `settings.TranscriptionData`: those of `Config`, changed for fewer words."""
    table: dict[str, Any] = {"data": data.data, "source": data.source, "target": data.target, "separator": " "}
    words = datasets.count_sources(data.dataset, data.data_dir, data.train_split, **table)
    config = Config(data=data)
    changes = next((changes for most, changes in LITTLE_DATA.items() if words <= most), {})
    return settings.override(config, **changes)


def train_and_evaluate(
    config: Config,
    workdir: str | Path,
    export_dir: str | Path = "saved_models",
    resume: bool = False,
    *,
    build: Callable[..., Any] = build,
    optimizer: keras.optimizers.Optimizer | None = None,
    loss: str | Callable[..., Any] | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> dict[str, Any]:
    """Train on every word with each of its pronunciations, export the best epoch and score it once on the test split.

    Arguments and result are those of every recipe, see `keras_refs.recipes`.
    """
    run = training.Run("g2p", config, workdir, export_dir, resume, family="wide_recurrent")
    data = datasets.load_transcriptions(**vars(config.data), separator=" ", simplify=_simplify(config))
    # For hard attention targets say where to read on.
    data = dataclasses.replace(data, aligned=config.network.attention == "hard")
    examples, batch_size = sequences.training_examples(config, data), config.training.batch_size
    steps = run.steps_per_epoch(len(examples[0]))
    prepare = functools.partial(datasets.teacher_forcing, num_target_symbols=data.target_symbols.size)
    # Pairs of about the same length, in a new order in every epoch, which follows from the seed and the step.
    batches = functools.partial(
        datasets.bucketed_batches, examples, batch_size, config.compute.seed, prepare=prepare, shard=run.shard
    )

    with run.scope():
        model = build(config, data)
        # Adam with linear warm-up, cosine decay and an average of the weights, which is validated and exported.
        optimizer = optimizer or training.adam(config.training, steps)
        loss = loss or sequences.cross_entropy(config)
        accuracy = evaluation.SequenceAccuracy(name="sequence_accuracy")
        # A step takes about a fifth of a second: several per execution would save nothing.
        options = run.compile_options(steps, most_steps_per_execution=1)
        model.compile(optimizer, loss, metrics=[accuracy], **options)
    validation = datasets.ordered_batches(data.token_pairs(data.validation), 1000, prepare)
    # Stops early after `patience` epochs without a better score, and leaves the model at the best epoch.
    history = run.fit(
        model, batches, steps, validation, monitor="val_sequence_accuracy", mode="max", callbacks=callbacks
    )

    with run.unfinished_export() as folder:
        # In float32, whatever the precision of the training was.
        network = build(config, data, for_export=True)
        network.set_weights(model.get_weights())
        inputs, outputs = ("words", data.source_symbols), ("phonemes", data.target_symbols)
        shown = _shown(config, data.test)
        signatures = export.write_transcriber(
            network, inputs, outputs, folder, examples=shown[:2], half_precision=True, **vars(config.decoding)
        )
        evaluation.save_learning_curves(history, run.figures / "learning_curves.png", sequences.CURVES)
        scores = sequences.score(folder, data.test, run.figures, label="words", shown=shown)
        limits = training.limits_on(config, LIMITS)
        card = {"summary": __doc__, "signatures": signatures, "limits": limits, "scored_on": SCORED_ON}
        return run.finish(folder, network, history, data, scores, format_scores, card)


def without_stress(phonemes: str) -> str:
    """Return a pronunciation without the digits, which say how much each vowel is stressed."""
    return re.sub(r"\d", "", phonemes)


def _shown(config, test):
    """Return the words whose attention is drawn; other data may have other letters."""
    return SHOWN if config.data.data is None else test.sources[: len(SHOWN)]


def _simplify(config):
    """Return what to make of a transcription. In a user's own data a digit may be part of a symbol."""
    return without_stress if config.data.data is None else None


def evaluate(folder: str | Path, config: Config) -> dict[str, Any]:
    """Return the error rates of an export on the test split, without reading the others."""
    return sequences.evaluate(folder, _load_test(config))


def _load_test(config):
    return sequences.load_test(config.data, separator=" ", simplify=_simplify(config))


def format_scores(scores: dict[str, Any]) -> str:
    """Return word and phoneme error rates of greedy search, the same in bfloat16, and of beam search."""
    text = "word error rate {word_error_rate:.4f}, phoneme error rate {symbol_error_rate:.4f}"
    return sequences.format_scores(scores, lambda rates: text.format(**rates))


def explain(folder: str | Path, config: Config, figures: Path, texts: Sequence[str] = ()) -> None:
    """Draw which letters each phoneme attends to, for these words or some of the recipe's own or of a file."""
    if not texts:
        texts = SHOWN if config.data.data is None else _shown(config, _load_test(config))
    sequences.save_attention(folder, texts, figures / "attention.png")
