"""What the recipes for sequences of symbols share: strings in, strings out, by an encoder, a decoder and attention."""

import abc
import dataclasses
import functools
from typing import Literal

from keras_refs import datasets, decoding, evaluation, export, models
from keras_refs.errors import UserError
from keras_refs.recipes import settings
from keras_refs.recipes.recipe import Recipe


@dataclasses.dataclass(frozen=True, kw_only=True)
class Seq2SeqSettings(settings.Settings):
    """Settings of every recipe that turns strings into strings."""

    embedding_dim: settings.Count
    """Width of the embeddings."""
    units: settings.Count
    """Width of the encoder's outputs and of the decoder; even if the encoder reads in both directions."""
    encoder_layers: settings.Count
    """LSTM layers of the encoder."""
    bidirectional: bool = True
    """Whether every layer of the encoder also reads backwards."""
    attention: Literal["dot", "additive"] = "dot"
    """How a state of the decoder is compared with an output of the encoder."""
    dropout: settings.Rate
    """Share dropped of the outputs of encoder, decoder and combination."""
    label_smoothing: settings.Rate = 0.1
    """Share of every target's probability that is spread over all symbols."""
    beam_width: settings.Count = 4
    """Sequences that the search for the best ones follows."""
    length_penalty: settings.Rate = 0.0
    """Power of its length that a sequence's log-probability is divided by; 0 prefers short ones."""
    longest_source: settings.Count
    """Symbols that the export reads of a string; what follows is left out."""


class Seq2SeqRecipe(Recipe):
    """An attention sequence-to-sequence model that turns strings into strings.

    Attributes:
        source_name: What a source is called in the signature.
        target_name: What an answer is called in the signature.
        separator: What stands between two symbols of an answer.
        shown: Sources whose attention is drawn.
        half_precision: Whether the export stores its weights as float16.
    """

    family = "wide_recurrent"
    monitor = "val_sequence_accuracy"
    # A step takes a tenth of a second or more, and each of several in a call is traced for itself.
    most_steps_per_execution = 1
    source_name: str
    target_name: str
    separator = ""
    shown: tuple
    half_precision = True
    explains_texts = True

    @property
    def metrics(self):
        """How often a whole sequence is right."""
        return (evaluation.SequenceAccuracy(name="sequence_accuracy"),)

    @property
    def loss(self):
        """The cross-entropy with smoothed labels."""
        import keras

        return keras.losses.CategoricalCrossentropy(label_smoothing=self.config.label_smoothing)

    @property
    def signatures(self):
        """What the export takes and returns, as Markdown."""
        source, target, config = self.source_name, self.target_name, self.config
        return (
            f"All but the last take `{source}`, string `[batch]`, UTF-8. Upper case is read as lower case, other "
            f"characters than `{''.join(self.source_symbols.symbols)}` are left out, and so is what follows on the "
            f"first {config.longest_source}. Where nothing is left, the answer is an empty string with the score 0.\n\n"
            f"- `serving_default`: by greedy search `{target}`, string `[batch]`; `score`, float32 `[batch]`, the "
            f"log-probability; and `attention`, float32 `[batch, steps, characters]`,\n  how much each symbol, and the "
            "end, attends to each character that is read.\n"
            f"- `k_best`: by beam search the best {config.beam_width}, best first, `{target}`, string "
            f"`[batch, {config.beam_width}]`, and `score`, float32 `[batch, {config.beam_width}]`, the log-probability "
            f"over the\n  length to the power of {config.length_penalty:g}; minus infinity where there are fewer.\n"
            "- `bfloat16`: as `serving_default`, with the large products in bfloat16: quicker for large batches where "
            "the processor has\n  instructions for it, several times as slow where it has none.\n"
            "- `numeric`: by greedy search without strings, from `tokens`, int32 `[batch, characters]`, to `symbols`, "
            "int32 `[batch, steps]`, with `score` and `attention`; both are places, counted\n  from 2 and padded with "
            "0 at the end, the tokens among the characters above, the symbols among "
            f"`{self.separator.join(self.target_symbols.symbols)}`."
        )

    @functools.cached_property
    def source_symbols(self):
        """The characters of the training sources."""
        return datasets.Symbols.of(map(str.lower, self.data.train.sources))

    @functools.cached_property
    def target_symbols(self):
        """The symbols of the training targets."""
        return datasets.Symbols.of((target for known in self.data.train.targets for target in known), self.separator)

    @functools.cached_property
    def _training_pairs(self):
        return self._arrays(self.data.train)

    def _arrays(self, split):
        """Return tokens of sources and targets of all pairs of a split, and their lengths."""
        sources, targets = split.pairs()
        arrays = (
            datasets.to_arrays(self.source_symbols, [source.lower() for source in sources]),
            datasets.to_arrays(self.target_symbols, targets, boundary=True),
        )
        return tuple(zip(*arrays, strict=True))

    @functools.cached_property
    def steps_per_epoch(self):
        """Training steps an epoch; every pair of a source and a target counts."""
        return self._steps_per_epoch(len(self._training_pairs[0][0]))

    def build_model(self):
        """Return the network for these symbols."""
        return self._build("auto")

    def build_export_model(self):
        """Return the network without cuDNN's kernel, which would tie the export to GPUs."""
        return self._build(False)

    def _build(self, use_cudnn):
        config = self.config
        return models.attention_seq2seq(
            num_source_symbols=self.source_symbols.size,
            num_target_symbols=self.target_symbols.size,
            embedding_dim=config.embedding_dim,
            units=config.units,
            encoder_layers=config.encoder_layers,
            bidirectional=config.bidirectional,
            attention=config.attention,
            dropout=config.dropout,
            use_cudnn=use_cudnn,
        )

    def training_batches(self, first_step, last_step):
        """Return shuffled batches of pairs of about the same length."""
        config = self.config
        return datasets.bucketed_batches(
            *self._training_pairs, config.batch_size, config.seed, first_step, last_step, self._teach
        )

    def validation_batches(self):
        """Return every pair of the validation once."""
        arrays, _ = self._arrays(self.data.validation)
        return datasets.ordered_batches(arrays, 1000, self._teach)

    def _teach(self, source, target):
        """Return what the network reads, the target up to the step before included, and the one-hot target."""
        import tensorflow as tf

        boundary = datasets.transcriptions.BOUNDARY
        before = tf.pad(target[:, :-1], [[0, 0], [1, 0]], constant_values=boundary)
        one_hot = tf.one_hot(target, self.target_symbols.size) * tf.cast(target[:, :, tf.newaxis] > 0, tf.float32)
        # The end of the target is known; what follows on it is padding.
        return {"source": source, "target": tf.where(target > 0, before, 0)}, one_hot

    def write_export(self, model, folder):
        """Write the SavedModel, which takes strings and searches for the best answers."""
        import tensorflow as tf

        config, parts = self.config, decoding.FastParts(model, self.half_precision)
        limits = datasets.transcriptions.BOUNDARY, config.longest_source

        # Traced once for both signatures, which would else be as large again.
        @tf.function(input_signature=[tf.TensorSpec([None, None], tf.int32)])
        def greedy(tokens):
            return decoding.greedy_answers(parts(tf.float32), tokens, *limits)

        def rounded(tokens):
            return decoding.greedy_answers(parts(tf.bfloat16), tokens, *limits)

        def best(tokens):
            return decoding.best_answers(parts(tf.float32), tokens, *limits, config.beam_width, config.length_penalty)

        def of_strings(search):
            def answer(strings):
                found = search(self._read(strings))
                return {self.target_name: self.target_symbols.strings(found.pop("symbols")), **found}

            return answer

        export.write_function(
            of_strings(greedy),
            {self.source_name: (tf.string, ())},
            folder,
            numeric=(greedy, {"tokens": (tf.int32, (None,))}),
            k_best=of_strings(best),
            bfloat16=of_strings(rounded),
        )

    def _read(self, strings):
        """Return the tokens of strings as clients send them."""
        import tensorflow as tf

        return self.source_symbols.tokens(tf.strings.lower(strings, "utf-8"))

    def examples(self):
        """Return one of the sources that are drawn, and two as tokens."""
        strings = {self.source_name: [self.shown[0]]}
        numbers = {"tokens": self._read(self.shown[:2])}
        return {"serving_default": strings, "k_best": strings, "bfloat16": strings, "numeric": numbers}

    def score(self, folder):
        """Return error rates of the export's searches on the test split, and the best answers."""
        test, self._exported = self.data.test, export.SavedFunction(folder)
        references = [[self._split(target) for target in known] for known in test.targets]
        best, greedy, rounded = (
            self._answers(function, batch_size)
            for function, batch_size in (
                (export.SavedFunction(folder, "k_best"), 250),
                (self._exported, 1000),
                (export.SavedFunction(folder, "bfloat16"), 1000),
            )
        )
        scores = evaluation.transcription_metrics(references, best)
        scores["greedy"] = evaluation.transcription_metrics(references, greedy)
        scores["bfloat16"] = evaluation.transcription_metrics(references, rounded)
        return scores, {"references": references, "answers": best}

    def _answers(self, function, batch_size):
        """Return the symbols that an export answers to the test split, the best ones of several."""
        sources = self.data.test.sources
        # Together with others of its length a string waits for no longer one.
        order = sorted(range(len(sources)), key=lambda place: len(sources[place]))
        found = function.predict(
            batch_size, outputs=[self.target_name], **{self.source_name: [sources[place] for place in order]}
        )[self.target_name]
        best = found if found.ndim == 1 else found[:, 0]
        told = {place: self._split(answer.decode()) for place, answer in zip(order, best, strict=True)}
        return [told[place] for place in range(len(sources))]

    def _split(self, string):
        return tuple(self.target_symbols.split(string))

    def draw(self, history, scores, predictions, folder):
        """Draw learning curves, attention, error rate against length, and confusions."""
        figures, references, answers = evaluation.figures, predictions["references"], predictions["answers"]
        curves = {"loss": "cross-entropy", "sequence_accuracy": "accuracy of whole sequences"}
        figures.save_learning_curves(history, folder / "learning_curves.png", curves)
        self._draw_attention(self._exported, self.shown, folder)
        lengths = [len(source) for source in self.data.test.sources]
        wrong = [answer not in known for known, answer in zip(references, answers, strict=True)]
        figures.save_error_by_length(lengths, wrong, self.source_name, folder / "error_by_length.png")
        figures.save_confusions(evaluation.confusions(references, answers), folder / "confusions.png")

    def _draw_attention(self, exported, sources, folder):
        found = exported.predict(**{self.source_name: sources})
        told = [self._split(answer.decode()) for answer in found[self.target_name]]
        columns = min(4, len(sources))
        evaluation.figures.save_attention(sources, told, found["attention"], folder / "attention.png", columns)

    def explain(self, folder, figures, texts=()):
        """Draw which characters each symbol of an answer attends to, for these texts or those that a run shows."""
        known = set(self.source_symbols.symbols)
        read = [
            "".join(character for character in text.lower() if character in known)[: self.config.longest_source]
            for text in texts
        ]
        if "" in read:
            raise UserError(
                f"Every text must hold some of the characters {''.join(self.source_symbols.symbols)!r}. "
                f"Received: {texts[read.index('')]!r}"
            )
        self._draw_attention(export.SavedFunction(folder), read or self.shown, figures)

    def format_scores(self, scores):
        """Return the error rates of greedy search, the same in bfloat16, and of beam search."""
        found = {"greedy": scores["greedy"], "bfloat16": scores["bfloat16"], "beam": scores}
        return "\n".join(f"{name}: {self._format(rates)}" for name, rates in found.items())

    @abc.abstractmethod
    def _format(self, scores):
        """Return the error rates of one search in the words of the task."""
