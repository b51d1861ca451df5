"""Attention sequence to sequence: one network to train, and its two parts to decode with."""

import keras
from keras import layers, ops

from keras_refs.models import arguments, heads

STATES = ("hidden", "cell")
"""Names of the two parts of an LSTM's state."""


def attention_seq2seq(
    num_source_symbols=28,
    num_target_symbols=41,
    embedding_dim=None,
    units=256,
    encoder_layers=1,
    bidirectional=False,
    attention="dot",
    share_embedding=False,
    dropout=0.0,
    return_attention=False,
    use_cudnn="auto",
    name="attention_seq2seq",
):
    """Build an LSTM encoder and decoder with attention, trained with the target so far as the decoder's input.

    With m_1..m_S the encoder's outputs and s_t the state of the decoder, which starts from the encoder's last state,

        a_t = softmax over j of score(s_t, m_j),    c_t = sum_j a_tj m_j,
        p_t = softmax(W tanh(V [s_t, c_t] + b) + d),

    where score is s_t . m_j (`"dot"`) or v . tanh(A s_t + B m_j) (`"additive"`).

    Inputs, a dictionary: `source` and `target`. With an embedding both are int32 tokens, `(batch, steps)`, 0 for
    padding at the end; without, float32 vectors, `(batch, steps, symbols)`, such as one-hot ones, all 0 for padding at
    the end. `target` is what the decoder reads at each step: a start symbol, then the target up to the step before.

    Output: `(batch, target steps, num_target_symbols)`, probabilities of the next symbol, in the dtype of the variables
    (float32 under a mixed-precision policy). With `return_attention` a dictionary of these `probabilities` and of
    `attention`, `(batch, target steps, source steps)`, which is 0 on padding and sums to 1 over the rest. A source of
    padding alone has nothing to attend to; its weights are equal and its answer, though finite, means nothing.

    Keras masks the padding: it changes no answer, and `fit` leaves its steps out of the loss.

    Args:
        num_source_symbols: Number of source tokens, the padding included, or width of the source's vectors.
        num_target_symbols: The same for the target.
        embedding_dim: Width of the embeddings of tokens; `None` to read vectors.
        units: Width of the encoder's outputs and of the decoder.
        encoder_layers: LSTM layers of the encoder.
        bidirectional: Whether every layer of the encoder also reads backwards; each direction is `units // 2` wide.
        attention: `"dot"` or `"additive"`.
        share_embedding: Whether the target's embedding also is the matrix of the last layer.
        dropout: Share dropped while training, in [0, 1), between the encoder's layers, and of the outputs of encoder,
            decoder and combination.
        return_attention: Whether the attention weights are an output too.
        use_cudnn: `"auto"`; `False` builds a model whose export runs on any device, while one traced on a GPU with
            `"auto"` contains cuDNN's kernel and runs on GPUs alone.
        name: Name of the model.

    Returns:
        An uncompiled functional `keras.Model`; 738,857 parameters with the default arguments.

    Raises:
        ValueError: If an argument is out of its range, or does not go with another.

    Source: Luong, Pham & Manning 2015, "Effective approaches to attention-based neural machine translation" (dot score
    and combination); Bahdanau, Cho & Bengio 2015 (additive score); Press & Wolf 2017 (the shared matrix).

    Differs from the listing (C3) it repairs:

    - the encoder returns its outputs at all steps, so that there is something to attend to;
    - the decoder runs before the attention, whose query is its state, and there is one attention, not two;
    - the output is a distribution over symbols, from a combination of state and context;
    - padding is masked;
    - there is a way to decode: `seq2seq_parts`.

    >>> model = attention_seq2seq(num_source_symbols=27, embedding_dim=16, units=32, bidirectional=True)
    >>> model.output_shape
    (None, None, 41)
    """
    _check(num_source_symbols, num_target_symbols, embedding_dim, units, encoder_layers, bidirectional, share_embedding)
    arguments.check_choice("attention", attention, ("dot", "additive"))
    arguments.check_real("dropout", dropout, minimum=0, below=1)
    source, x = _read("source", num_source_symbols, _embedding("source", num_source_symbols, embedding_dim))
    mask = _is_no_padding(source)
    for number in range(1, encoder_layers + 1):
        x = layers.Dropout(dropout, name=f"dropout{number - 1}")(x) if number > 1 else x
        x, states = _encode(x, units, bidirectional, use_cudnn, f"encoder{number}")
    memory = layers.Dropout(dropout, name="memory")(x)
    states = [layers.Identity(name=f"initial_{name}")(state) for name, state in zip(STATES, states, strict=True)]

    embedding = _embedding("target", num_target_symbols, embedding_dim, share_embedding)
    target, y = _read("target", num_target_symbols, embedding)
    decoder = layers.LSTM(units, return_sequences=True, use_cudnn=use_cudnn, name="decoder")
    head = _head(num_target_symbols, units, attention, dropout, embedding if share_embedding else None)
    decoded = decoder(y, initial_state=states)
    probabilities, weights = _answer(head, decoded, memory, [_is_no_padding(target), mask])
    outputs = {"probabilities": probabilities, "attention": weights} if return_attention else probabilities
    return keras.Model({"source": source, "target": target}, outputs, name=name)


def seq2seq_parts(model):
    """Take a trained `attention_seq2seq` apart into what reads a source once and what answers one step.

    Both share the model's weights. Decoding with them costs a step for each symbol, not a pass over all before it.

    Args:
        model: What `attention_seq2seq` returned.

    Returns:
        Two `keras.Model`: the encoder, from `source` to the dictionary of `memory` `(batch, source steps, units)`, the
        boolean `mask` `(batch, source steps)`, and the decoder's first `hidden` and `cell`, both `(batch, units)`; and
        the step, from the dictionary of these four and the `symbol` before, `(batch,)` for tokens or `(batch,
        num_target_symbols)` for vectors, to `probabilities` `(batch, num_target_symbols)`, `attention` `(batch, source
        steps)`, and the next `hidden` and `cell`.

    >>> encoder, step = seq2seq_parts(attention_seq2seq(num_target_symbols=5, embedding_dim=16, units=32))
    >>> step.output["probabilities"].shape
    (None, 5)
    """
    named = {layer.name: layer for layer in model.layers}
    source, target = model.input["source"], model.input["target"]
    memory, mask = ops.copy(named["memory"].output), _is_no_padding(source)
    states = [named[f"initial_{name}"].output for name in STATES]
    encoder = keras.Model(source, {"memory": memory, "mask": mask, **dict(zip(STATES, states, strict=True))})

    symbol = keras.Input(target.shape[2:], dtype=target.dtype, name="symbol")
    before = {
        name: keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=name)
        for name, tensor in (("memory", memory), ("mask", mask), *zip(STATES, states, strict=True))
    }
    # A copy has no mask: from here on it is an input of its own.
    read = ops.copy(named["target_embedding"](symbol)) if "target_embedding" in named else symbol
    decoded, after = named["decoder"].cell(read, [before[name] for name in STATES])
    at_one_step = layers.Reshape((1, -1))(decoded)
    probabilities, weights = _answer(named, at_one_step, before["memory"], [None, before["mask"]])
    outputs = {
        "probabilities": layers.Flatten()(probabilities),
        "attention": ops.squeeze(weights, axis=1),
        **dict(zip(STATES, after, strict=True)),
    }
    return encoder, keras.Model({"symbol": symbol, **before}, outputs)


def _check(
    num_source_symbols, num_target_symbols, embedding_dim, units, encoder_layers, bidirectional, share_embedding
):
    arguments.check_integer("num_source_symbols", num_source_symbols, minimum=1)
    arguments.check_integer("num_target_symbols", num_target_symbols, minimum=2)
    arguments.check_integer("units", units, minimum=1)
    arguments.check_integer("encoder_layers", encoder_layers, minimum=1)
    if embedding_dim is not None:
        arguments.check_integer("embedding_dim", embedding_dim, minimum=1)
    if bidirectional and units % 2:
        raise ValueError(f"`units` must be even for an encoder that reads in both directions. Received: units={units}")
    if share_embedding and embedding_dim is None:
        raise ValueError(
            "`share_embedding` needs an embedding to share, of a width of `embedding_dim`. "
            f"Received: share_embedding={share_embedding}, embedding_dim=None"
        )


def _embedding(name, symbols, width, reversible=False):
    """Return the layer that reads tokens, or masks all-zero vectors."""
    if width is None:
        return layers.Masking(name=f"{name}_masking")
    options = {"mask_zero": True, "name": f"{name}_embedding"}
    if reversible:
        return TiedEmbedding(symbols, width, reverse_dtype=heads.full_precision(), **options)
    return layers.Embedding(symbols, width, **options)


@keras.saving.register_keras_serializable("keras_refs")
class TiedEmbedding(layers.ReversibleEmbedding):
    """An embedding that is the last layer's matrix too, and hands the mask on in both directions.

    Keras's own drops the mask on the way back, so that a loss would count the padding.
    """

    def compute_mask(self, inputs, mask=None):
        """Return which tokens are not padding, or the mask of the vectors."""
        return mask if keras.backend.is_float_dtype(inputs.dtype) else ops.not_equal(inputs, 0)


def _read(name, symbols, embedding):
    if isinstance(embedding, layers.Masking):
        given = keras.Input((None, symbols), name=name)
    else:
        given = keras.Input((None,), dtype="int32", name=name)
    return given, embedding(given)


def _is_no_padding(given):
    known = ops.not_equal(given, 0)
    return ops.any(known, axis=-1) if len(given.shape) == 3 else known


def _encode(x, units, bidirectional, use_cudnn, name):
    """Return an LSTM layer's outputs at all steps and its last states, those of both directions side by side."""
    width = units // 2 if bidirectional else units
    lstm = layers.LSTM(
        width,
        return_sequences=True,
        return_state=True,
        use_cudnn=use_cudnn,
        name="lstm" if bidirectional else name,
    )
    x, *states = (layers.Bidirectional(lstm, name=name) if bidirectional else lstm)(x)
    if bidirectional:
        forwards, backwards = states[:2], states[2:]
        states = [
            layers.Concatenate(name=f"{name}_{which}")(pair)
            for which, pair in zip(STATES, zip(forwards, backwards, strict=True), strict=True)
        ]
    return x, states


def _head(symbols, units, attention, dropout, shared):
    """Return the layers behind the decoder by name; `shared` is the embedding that is the last one's matrix too."""
    full_precision = heads.full_precision()
    if attention == "additive":
        scores = [
            layers.Dense(units, use_bias=False, name="attention_query"),
            layers.Dense(units, use_bias=False, name="attention_key"),
            layers.AdditiveAttention(dtype=full_precision, name="attention"),
        ]
    else:
        scores = [layers.Attention(dtype=full_precision, name="attention")]
    found = [
        *scores,
        layers.Dropout(dropout, name="decoder_dropout"),
        layers.Concatenate(name="state_and_context"),
        layers.Dense(shared.output_dim if shared else units, "tanh", name="combination"),
        layers.Dropout(dropout, name="combination_dropout"),
        layers.Activation("softmax", dtype=full_precision, name="probabilities")
        if shared
        else layers.Dense(symbols, "softmax", dtype=full_precision, name="probabilities"),
        *([shared] if shared else []),
    ]
    return {layer.name: layer for layer in found}


def _answer(named, decoded, memory, masks):
    """Return probabilities and attention weights for the decoder's outputs at any number of steps.

    `masks` are of what is asked and of what is attended to. Without the first, the answers' mask would be lost where
    state and context are joined.
    """
    decoded = named["decoder_dropout"](decoded)
    query, key = decoded, memory
    if "attention_query" in named:
        query, key = named["attention_query"](query), named["attention_key"](key)
    context, weights = named["attention"]([query, memory, key], mask=masks, return_attention_scores=True)
    combined = named["combination"](named["state_and_context"]([decoded, context]))
    combined = named["combination_dropout"](combined)
    if isinstance(named["probabilities"], layers.Activation):
        combined = named["target_embedding"](combined, reverse=True)
    return named["probabilities"](combined), weights
