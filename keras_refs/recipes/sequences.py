"""What the recipes that turn strings into strings share, beside the steps of a training."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from keras_refs import datasets, evaluation, export, models, settings
from keras_refs.errors import UserError

if TYPE_CHECKING:
    import keras

CURVES = {"loss": "cross-entropy", "sequence_accuracy": "accuracy of whole sequences"}
"""Learning curves, and the labels of their axes."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Network(settings.Settings):
    """Arguments of `models.attention_seq2seq`."""

    embedding_dim: settings.Count
    """Width of the embeddings."""
    units: settings.Count
    """Width of the encoder's outputs and of the decoder; even if the encoder is bidirectional."""
    encoder_layers: settings.Count
    """LSTM layers of the encoder."""
    bidirectional: bool = True
    """Whether every layer of the encoder also reads backwards."""
    attention: Literal["dot", "additive", "hard"] = "dot"
    """Score of the attention between a state of the decoder and an output of the encoder; hard aligns them."""
    dropout: settings.Rate
    """Dropout rate between encoder layers and on the outputs of encoder, decoder and combination."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Training(settings.Training):
    """How long and how fast a network learns, and its loss."""

    label_smoothing: settings.Rate = 0.1
    """Label smoothing factor."""
    spliced: settings.CountOrZero = 0
    """Pairs to try to splice from others for each training pair; needs hard attention."""
    teachers: tuple[str, ...] = ()
    """Exports of this recipe, whose mean probabilities are learned in place of the targets, without label smoothing."""
    sampled: settings.CountOrZero = 0
    """Strings like the training ones to try to sample, for each of these; the first of --teachers transcribes them."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Decoding(settings.Settings):
    """How an export decodes."""

    beam_width: settings.Count = 4
    """Beam width."""
    length_penalty: settings.Rate = 0.0
    """Exponent of the length that a log-probability is divided by; 0 favours short sequences."""
    longest_source: settings.Count = 64
    """Number of characters that the export reads of a string; what follows is left out."""


def build(config: Any, data: datasets.TranscriptionDataset, for_export: bool = False) -> keras.Model:
    """Return the network for these symbols; an export has to run without a GPU, too."""
    arguments = dict(vars(config.network))
    # All layers have one width.
    arguments["units"] = (arguments["units"],) * arguments.pop("encoder_layers")
    return models.attention_seq2seq(
        num_source_symbols=data.source_symbols.size,
        num_target_symbols=data.target_symbols.size,
        use_cudnn=False if for_export else "auto",
        **arguments,
    )


def load_test(data: settings.TranscriptionData, **options: Any) -> datasets.Transcriptions:
    """Return the `datasets.Transcriptions` of the test split of a `settings.TranscriptionData`."""
    columns: dict[str, Any] = {"data": data.data, "source": data.source, "target": data.target}
    return datasets.load_transcription_split(data.dataset, data.data_dir, data.test_split, **columns, **options)


def cross_entropy(config: Any) -> keras.losses.Loss:
    """Return the loss: cross-entropy, with label smoothing unless teachers have smoothed their probabilities."""
    import keras

    smoothing = 0.0 if config.training.teachers else config.training.label_smoothing
    return keras.losses.CategoricalCrossentropy(label_smoothing=smoothing)


def training_examples(config: Any, data: datasets.TranscriptionDataset) -> tuple[np.ndarray, ...]:
    """Return the tokens of all training pairs, and of those that are made of them; and what teachers make of them all.

    Knowledge distillation: Hinton, Vinyals & Dean 2015, "Distilling the knowledge in a neural network"; on strings
    without targets, too: Sun et al. 2019, "Token-level ensemble distillation for grapheme-to-phoneme conversion".

    Returns:
        Sources and targets, two int32 `(pairs, steps)`; with teachers also the mean of their probabilities for the next
        symbol at each step of the targets, float16 `(pairs, steps, symbols)`.

    Raises:
        UserError: If pairs are to be spliced without hard attention, strings to be sampled without a teacher, or a
            teacher cannot be read or has other symbols.
    """
    folders = [export.newest_version(folder) for folder in config.training.teachers]
    for folder in folders:
        if export.read_symbols(folder) != [data.source_symbols, data.target_symbols]:
            raise UserError(
                "A teacher must read and write the symbols of these data, with hard attention where it is asked for. "
                f"Received: --teachers {folder}"
            )
    pairs = _training_pairs(config, data, _with_sampled(config, data, folders))
    return (*pairs, _teach([export.load_model(folder) for folder in folders], *pairs, data)) if folders else pairs


def _with_sampled(config, data, folders):
    """Return the training split, with sampled strings and what the first of the teachers' exports makes of them."""
    sampled, train = config.training.sampled, data.train
    if not sampled:
        return train
    if not folders:
        raise UserError(f"--sampled needs --teachers, which transcribe. Received: --sampled {sampled}")
    sources = datasets.sample_strings(train.sources, sampled * len(train.sources), config.compute.seed)
    targets = [(data.separator.join(symbols),) for symbols in export.SavedTranscriber(folders[0]).transcribe(sources)]
    return datasets.Transcriptions((*train.sources, *sources), (*train.targets, *targets))


def _teach(networks, sources, targets, data):
    """Return the mean probabilities of networks for all targets."""
    symbols = data.target_symbols.size
    prepare = functools.partial(datasets.teacher_forcing, num_target_symbols=symbols)
    learned = np.zeros((*targets.shape, symbols), "float16")
    # Those of about the same length together, without the padding that none needs.
    order = np.lexsort([np.count_nonzero(tokens, axis=1) for tokens in (sources, targets)])
    for rows in np.array_split(order, -(-len(order) // 1000)):
        inputs, _ = prepare(*(datasets.without_padding(tokens[rows]) for tokens in (sources, targets)))
        probabilities = np.mean([network(inputs, training=False) for network in networks], axis=0)
        learned[rows, : probabilities.shape[1]] = probabilities
    return learned


def _training_pairs(config, data, train):
    pairs, tries = data.token_pairs(train), config.training.spliced
    if not tries:
        return pairs
    if not data.aligned:
        attention = config.network.attention
        raise UserError(f"--spliced needs --attention hard, which aligns pairs. Received: --attention {attention}")
    return datasets.with_spliced(
        *pairs, move=data.target_symbols.size - 1, tries=tries * len(pairs[0]), seed=config.compute.seed
    )


def score(
    folder: str | Path,
    test: datasets.Transcriptions,
    figures: Path,
    label: str,
    shown: Sequence[str],
) -> dict[str, Any]:
    """Return the error rates of an export on `datasets.Transcriptions`, and draw figures into a folder.

    They are the attention of the sources `shown`, the error rate by the length of the sources, which `label` names, and
    confusions.
    """
    references, predictions = _transcribe(folder, test)
    best = predictions["beam"]
    save_attention(folder, shown, figures / "attention.png")
    lengths = [len(source) for source in test.sources]
    wrong = [prediction not in targets for targets, prediction in zip(references, best, strict=True)]
    evaluation.save_error_by_length(lengths, wrong, label, figures / "error_by_length.png")
    evaluation.save_confusions(evaluation.confusions(references, best), figures / "confusions.png")
    return _error_rates(references, predictions)


def evaluate(folder: str | Path, test: datasets.Transcriptions) -> dict[str, Any]:
    """Return the error rates of an export: of beam search, and of `greedy` search and the same in `bfloat16`."""
    return _error_rates(*_transcribe(folder, test))


def format_scores(scores: dict[str, Any], describe: Callable[[dict[str, Any]], str]) -> str:
    """Return the error rates as text, a line for each search, that of beam search last, as `describe` writes one's."""
    by_search = {search: scores[search] for search in ("greedy", "bfloat16") if search in scores}
    if "bfloat16" in scores:
        by_search["beam"] = scores
    return "\n".join(f"{search}: {describe(rates)}" for search, rates in by_search.items())


def save_attention(folder: str | Path, sources: Sequence[str], path: str | Path) -> None:
    """Draw which characters each symbol attends to, in greedy search, before any postprocessing.

    Raises:
        UserError: If a source has no character that the export reads.
    """
    exported = export.SavedTranscriber(folder, "numeric")
    tokens = exported.source_symbols.tokens(list(sources)).numpy()
    for source, row in zip(sources, tokens, strict=True):
        if not row.any():
            allowed = "".join(exported.source_symbols.symbols)
            raise UserError(f"Every text must have at least one of the characters {allowed!r}. Received: {source!r}")
    outputs = exported.predict(tokens=tokens)
    # Longer sources are truncated.
    characters = ["".join(exported.source_symbols.lookup(row[: outputs["attention"].shape[2]])) for row in tokens]
    symbols = [exported.target_symbols.lookup(row) for row in outputs["symbols"]]
    evaluation.save_attention(characters, symbols, outputs["attention"], path, columns=min(4, len(sources)))


def _transcribe(folder, test):
    """Return for each source all correct targets, and by search the prediction; each a tuple of symbols.

    A compressed file knows greedy search alone.
    """
    searches = {"greedy": ("serving_default", 1000), "bfloat16": ("bfloat16", 1000), "beam": ("k_best", 250)}
    predictions = {}
    if Path(folder).is_file():
        exported = export.CompressedTranscriber(folder)
        searches, predictions["greedy"] = {}, exported.transcribe(test.sources)
    for search, (signature, batch_size) in searches.items():
        exported = export.SavedTranscriber(folder, signature)
        predictions[search] = exported.transcribe(test.sources, batch_size)
    split = exported.target_symbols.split
    return [[tuple(split(target)) for target in targets] for targets in test.targets], predictions


def _error_rates(references, predictions):
    metrics = evaluation.transcription_metrics
    rates = {search: metrics(references, symbols) for search, symbols in predictions.items()}
    best = rates.pop("beam", rates["greedy"])
    return {**best, **rates}
