"""Attention sequence-to-sequence: one model to train, and the two parts of it to decode with."""

import os
from collections.abc import Sequence

import keras
from keras import layers, ops

from keras_refs.models import arguments, heads
from keras_refs.models import weights as trained_weights

STATES = ("hidden", "cell")
"""Names of the two parts of an LSTM's state."""
SHARPNESS = 100.0
"""Factor of the scores of hard attention: next to its position the weights are e^-100, which is 0 in float32."""


def attention_seq2seq(
    num_source_symbols: int = 28,
    num_target_symbols: int = 41,
    embedding_dim: int = 256,
    units: int | Sequence[int] = (256,),
    bidirectional: bool = False,
    attention: str = "dot",
    dropout: float = 0.0,
    return_attention: bool = False,
    use_cudnn: bool | str = "auto",
    weights: str | os.PathLike | None = None,
    dtype: str | keras.DTypePolicy | None = None,
    name: str = "attention_seq2seq",
) -> keras.Model:
    """Build an LSTM encoder and decoder with attention, trained with teacher forcing.

    With m_1..m_S the encoder's outputs and s_t the state of the decoder, which starts from the encoder's last state,

        a_t = softmax over j of score(s_t, m_j),    c_t = sum_j a_tj m_j,
        p_t = softmax(W tanh(V [s_t, c_t] + b) + d),

    where score is s_t . m_j (`"dot"`), v . tanh(A s_t + B m_j) (`"additive"`) or -100 (j - n_t)^2 (`"hard"`). Hard
    attention is to the one step n_t, how often the decoder has read the last target symbol, `num_target_symbols - 1`,
    which only moves it on; at the end of the source it stays. The decoder then reads c_t beside the target. It is for
    targets that are aligned with their sources, and learns more from few pairs.

    Inputs, a dictionary: `source` and `target`, int32 tokens, `(batch, steps)`, 0 for padding at the end. `target` is
    what the decoder reads at each step: a start symbol, then the target up to the previous step.

    Output: `(batch, target steps, num_target_symbols)`, probabilities of the next symbol, in the dtype of the variables
    (float32 under a mixed-precision policy). With `return_attention` a dictionary of these `probabilities` and of
    `attention`, `(batch, target steps, source steps)`, which is 0 on padding and sums to 1 over the other steps. If the
    source is all padding, attention and probabilities are finite but meaningless.

    Padding is masked: it does not change the outputs, and `fit` leaves its steps out of the loss.

    Args:
        num_source_symbols: Number of source tokens, the padding included.
        num_target_symbols: Number of target tokens, the padding included.
        embedding_dim: Width of the embeddings of source and target.
        units: Width of each LSTM layer of the encoder; an integer for one layer. The last is that of the decoder, too.
        bidirectional: Whether every layer of the encoder also reads backwards; each direction is half as wide.
        attention: `"dot"`, `"additive"` or `"hard"`.
        dropout: Dropout rate, in [0, 1), on the outputs of each encoder layer, the decoder and the combination.
        return_attention: Whether to output the attention weights, too.
        use_cudnn: `False` for an export that runs on any device; traced on a GPU, one with `"auto"` needs a GPU.
        weights: `None` for initial ones; the name of the data set of a trained model, such as `"cmudict"`; or the path
            of an export's folder or of a `.keras` file.
        dtype: Dtype or policy of this model, such as `"mixed_bfloat16"`; `None` for Keras's global policy.
        name: Name of the model.

    Returns:
        An uncompiled functional `keras.Model`; 1,210,153 parameters with the default arguments.

    Raises:
        ValueError: If an argument is out of its range, one of `units` odd for a bidirectional encoder, or the weights
            do not fit.

    Source: Luong, Pham & Manning 2015, "Effective approaches to attention-based neural machine translation" (dot score
    and combination); Bahdanau, Cho & Bengio 2015 (additive score); Aharoni & Goldberg 2017, "Morphological inflection
    generation with hard monotonic attention".

    Differs from the listing (C3) it repairs:

    - the encoder returns its outputs at all steps, so that there is something to attend to;
    - the decoder runs before the one attention, whose query is its state;
    - the output is a distribution over symbols, from a combination of state and context;
    - it reads tokens, through embeddings as wide as the LSTM by default (the listing's shapes match with no other);
    - padding is masked, and it can be decoded with: `seq2seq_parts`.

    >>> model = attention_seq2seq(num_source_symbols=27, embedding_dim=16, units=32, bidirectional=True)
    >>> model.output_shape
    (None, None, 41)
    """
    units = _check(num_source_symbols, num_target_symbols, embedding_dim, units, bidirectional)
    arguments.check_choice("attention", attention, ("dot", "additive", "hard"))
    arguments.check_real("dropout", dropout, minimum=0, below=1)
    with heads.precision(dtype):
        use_cudnn = heads.cudnn(use_cudnn)
        source, x = _read("source", num_source_symbols, embedding_dim)
        source_mask = _is_token(source)
        for number, width in enumerate(units, start=1):
            x = layers.Dropout(dropout, name=f"dropout{number - 1}")(x) if number > 1 else x
            x, states = _encode(x, width, bidirectional, use_cudnn, f"encoder{number}")
        memory = layers.Dropout(dropout, name="memory")(x)
        states = [layers.Identity(name=f"initial_{name}")(state) for name, state in zip(STATES, states, strict=True)]

        target, y = _read("target", num_target_symbols, embedding_dim)
        decoder = layers.LSTM(width, return_sequences=True, use_cudnn=use_cudnn, name="decoder")
        head = _head(num_target_symbols, width, attention, dropout)
        masks, attended = [_is_token(target), source_mask], None
        if attention == "hard":
            moves = ops.cast(ops.equal(target, num_target_symbols - 1), "int32")
            attended = _attend_to(ops.cumsum(moves, axis=1), head, memory, masks)
            y = head["symbol_and_context"]([y, attended[0]])
        decoded = decoder(y, initial_state=states)
        probabilities, scores = _predict(head, decoded, memory, masks, attended)
        outputs = {"probabilities": probabilities, "attention": scores} if return_attention else probabilities
        model = keras.Model({"source": source, "target": target}, outputs, name=name)
    return trained_weights.load(model, weights, "attention_seq2seq")


def seq2seq_parts(model: keras.Model) -> tuple[keras.Model, keras.Model]:
    """Split a trained `attention_seq2seq` into an encoder, called once per source, and one step of the decoder.

    Both share the model's weights. Decoding with them costs one step per symbol, not a pass over all symbols before.

    Args:
        model: A model that `attention_seq2seq` returned.

    Returns:
        Two `keras.Model`: the encoder, from `source` to the dictionary of `memory` `(batch, source steps, units[-1])`,
        the boolean `mask` `(batch, source steps)`, and the decoder's initial `hidden` and `cell`, both `(batch,
        units[-1])`; and the step, from the dictionary of these four and the previous `symbol`, int32 `(batch,)`, to
        `probabilities` `(batch, num_target_symbols)`, `attention` `(batch, source steps)`, and the next `hidden` and
        `cell`. With hard attention there is a third state, `position`, int32 `(batch,)`.

    >>> encoder, step = seq2seq_parts(attention_seq2seq(num_target_symbols=5, embedding_dim=16, units=32))
    >>> step.output["probabilities"].shape
    (None, 5)
    """
    by_name = {layer.name: layer for layer in model.layers}
    source = model.input["source"]
    encoded = {"memory": ops.copy(by_name["memory"].output), "mask": _is_token(source)}
    encoded |= {name: by_name[f"initial_{name}"].output for name in STATES}
    is_hard = "symbol_and_context" in by_name
    if is_hard:
        encoded["position"] = ops.zeros_like(source[:, 0])

    symbol = keras.Input((), dtype="int32", name="symbol")
    previous = {name: keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=name) for name, tensor in encoded.items()}
    memory, masks, attended, position = previous["memory"], [None, previous["mask"]], None, {}
    # A copy has no mask, which would be that of a sequence.
    embedded = ops.copy(by_name["target_embedding"](symbol))
    if is_hard:
        last_symbol = by_name["target_embedding"].input_dim - 1
        position = {"position": previous["position"] + ops.cast(ops.equal(symbol, last_symbol), "int32")}
        attended = _attend_to(position["position"][:, None], by_name, memory, masks)
        embedded = by_name["symbol_and_context"]([embedded, attended[0][:, 0]])
    decoded, next_states = by_name["decoder"].cell(embedded, [previous[name] for name in STATES])
    one_step = layers.Reshape((1, -1))(decoded)
    probabilities, weights = _predict(by_name, one_step, memory, masks, attended)
    outputs = {
        "probabilities": layers.Flatten()(probabilities),
        "attention": ops.squeeze(weights, axis=1),
        **dict(zip(STATES, next_states, strict=True)),
        **position,
    }
    return keras.Model(source, encoded), keras.Model({"symbol": symbol, **previous}, outputs)


def _check(num_source_symbols, num_target_symbols, embedding_dim, units, bidirectional) -> tuple[int, ...]:
    """Check sizes, and return the widths of the encoder's layers."""
    arguments.check_integer("num_source_symbols", num_source_symbols, minimum=1)
    arguments.check_integer("num_target_symbols", num_target_symbols, minimum=2)
    arguments.check_integer("embedding_dim", embedding_dim, minimum=1)
    widths = arguments.widths("units", units)
    if bidirectional and any(width % 2 for width in widths):
        raise ValueError(f"`units` must be even for a bidirectional encoder. Received: units={units!r}")
    return widths


def _read(name, num_symbols, embedding_dim):
    """Return an input of tokens and their embeddings."""
    tokens = keras.Input((None,), dtype="int32", name=name)
    return tokens, layers.Embedding(num_symbols, embedding_dim, mask_zero=True, name=f"{name}_embedding")(tokens)


def _is_token(tokens):
    """Return the mask of padding, which is 0."""
    return ops.not_equal(tokens, 0)


def _encode(x, units, bidirectional, use_cudnn, name):
    """Return an LSTM layer's outputs at all steps and its last states, those of both directions concatenated."""
    width = units // 2 if bidirectional else units
    lstm = layers.LSTM(
        width, return_sequences=True, return_state=True, use_cudnn=use_cudnn, name="lstm" if bidirectional else name
    )
    x, *states = (layers.Bidirectional(lstm, name=name) if bidirectional else lstm)(x)
    if bidirectional:
        forwards, backwards = states[:2], states[2:]
        states = [
            layers.Concatenate(name=f"{name}_{which}")(pair)
            for which, pair in zip(STATES, zip(forwards, backwards, strict=True), strict=True)
        ]
    return x, states


def _head(num_symbols, units, attention, dropout):
    """Return the layers after the decoder by name."""
    full_precision = heads.full_precision()
    if attention == "additive":
        scores = [
            layers.Dense(units, use_bias=False, name="attention_query"),
            layers.Dense(units, use_bias=False, name="attention_key"),
            layers.AdditiveAttention(dtype=full_precision, name="attention"),
        ]
    else:
        scores = [layers.Attention(dtype=full_precision, name="attention")]
    if attention == "hard":
        scores.append(layers.Concatenate(name="symbol_and_context"))
    head = [
        *scores,
        layers.Dropout(dropout, name="decoder_dropout"),
        layers.Concatenate(name="state_and_context"),
        layers.Dense(units, "tanh", name="combination"),
        layers.Dropout(dropout, name="combination_dropout"),
        layers.Dense(num_symbols, "softmax", dtype=full_precision, name="probabilities"),
    ]
    return {layer.name: layer for layer in head}


def _attend_to(position, head, memory, masks):
    """Return the context and the attention weights at int32 positions `(batch, steps)`."""
    position = ops.cast(position, "float32")
    steps = ops.cumsum(ops.ones_like(memory[:, :, 0], dtype="float32"), axis=1) - 1.0
    # -(j - p)^2 without p^2, which is the same for all j.
    query = ops.stack([position, ops.ones_like(position)], axis=-1)
    key = SHARPNESS * ops.stack([2.0 * steps, -steps * steps], axis=-1)
    return head["attention"]([query, memory, key], mask=masks, return_attention_scores=True)


def _predict(head, decoded, memory, masks, attended=None):
    """Return probabilities and attention weights for the decoder's outputs at any number of steps.

    `masks` are those of the query and of the value. Without the first, the mask of the outputs would be lost where
    state and context are concatenated. `attended` is what `_attend_to` returned, if the attention is hard.
    """
    decoded = head["decoder_dropout"](decoded)
    query, key = decoded, memory
    if "attention_query" in head:
        query, key = head["attention_query"](query), head["attention_key"](key)
    attended = attended or head["attention"]([query, memory, key], mask=masks, return_attention_scores=True)
    context, weights = attended
    combined = head["combination"](head["state_and_context"]([decoded, context]))
    return head["probabilities"](head["combination_dropout"](combined)), weights
