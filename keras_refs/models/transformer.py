"""Transformer encoders: multi-head self-attention over the steps of a text or a series."""

import os

import keras
from keras import layers, ops

from keras_refs.models import arguments, heads
from keras_refs.models import weights as trained_weights

POSITIONS = ("sinusoidal", "learned", None)
POOLING = ("mean", "class_token")


def self_attention_classifier(
    num_features: int = 2,
    num_classes: int = 1,
    vocabulary_size: int | None = None,
    num_channels: int | None = None,
    embedding_dim: int | None = None,
    hidden_dim: int = 4,
    num_heads: int = 1,
    feed_forward_dim: int = 4,
    blocks: int = 1,
    positions: str | None = "sinusoidal",
    max_steps: int | None = None,
    pooling: str = "mean",
    causal: bool = False,
    dropout: float = 0.0,
    return_attention: bool = False,
    classifier_activation: str | None = "auto",
    include_top: bool = True,
    weights: str | os.PathLike | None = None,
    dtype: str | keras.DTypePolicy | None = None,
    name: str = "self_attention_classifier",
) -> keras.Model:
    """Build a classifier of texts or series: blocks of multi-head self-attention and feed-forward layers, and a head.

    With x the steps as rows, each of the heads of a block has its own W_Q, W_K and W_V of width d_k and computes

        attention(x) = softmax(Q K^T / sqrt(d_k)) V,    Q = x W_Q,  K = x W_K,  V = x W_V    (biases left out),

    where padding has the weight 0. The outputs of all heads, side by side, go through one more dense layer. With N a
    layer normalisation, a block is

        y = x + attention(N(x)),    z = y + relu(N(y) U + b) W + c.

    The head is p = softmax(pool(N(z)) V + d), where pool is the mean over the steps that are no padding, or a class
    token, which is put before the first step, attends to all others, and is the only step that the last block computes.

    Input: `features`, `(batch, steps, num_features)`, float32, of about -1..1; or, with `vocabulary_size`, `tokens`,
    int32, `(batch, steps)` or `(batch, steps, num_channels)`, 0 for padding, which a step is if its first token is.
    Output: `(batch, num_classes)`, class probabilities, in the dtype of the variables (float32 under a mixed-precision
    policy). With `return_attention` a dictionary of these `probabilities` and, for each block from 1 on, of
    `block1_attention`, `(batch, num_heads, queries, keys)`, which sums to 1 over the keys; queries and keys are the
    steps, the class token before them. Padding changes no output; that for a text without tokens is finite, and the
    same for all.

    Args:
        num_features: Width of the vectors at each step; without effect if there is a vocabulary.
        num_classes: Number of classes. 1 builds a binary classifier, which outputs the probability of class 1.
        vocabulary_size: Number of tokens, the padding included, for a network that reads tokens; `None` for vectors.
        num_channels: Tokens at each step, such as a character and the n-grams that end with it, whose embeddings, all
            from one table, are added up; `None` for one, without an axis of its own.
        embedding_dim: Width of the embedding, which a dense layer projects to `hidden_dim`; `None` for `hidden_dim`
            and no projection.
        hidden_dim: Width of a block, a multiple of `num_heads`; even for sinusoidal positions.
        num_heads: Number of attention heads, each `hidden_dim / num_heads` wide.
        feed_forward_dim: Width of the hidden layer after the attention of each block.
        blocks: Number of blocks; 0 leaves the head on the embeddings alone, which needs mean pooling.
        positions: `"sinusoidal"`; `"learned"`, one vector for each of the first `max_steps` steps; or `None`: then the
            order of the steps changes nothing, unless `causal`.
        max_steps: The largest number of steps, for learned positions.
        pooling: `"mean"` or `"class_token"`.
        causal: Whether a step attends to itself and earlier ones alone; not with a class token, which stands first.
        dropout: Dropout rate on the inputs and on the outputs of attention and feed-forward layers, in [0, 1).
        return_attention: Whether to output the attention weights, too.
        classifier_activation: `"auto"` for softmax (sigmoid if `num_classes` is 1), `"softmax"` for two classes or
            more, `"sigmoid"`, or `None` for logits.
        include_top: Whether there is a head. Without one the outputs are the features that it would read, as in Keras
            Applications: `(batch, hidden_dim)`, in the dtype of the variables; in a dictionary they are `features`.
        weights: `None` for initial ones; the name of the data set of a trained model, such as `"udhr_languages"`; or
            the path of an export's folder or of a `.keras` file. A head for another number of classes stays initial.
        dtype: Dtype or policy of this model, such as `"mixed_bfloat16"`; `None` for Keras's global policy.
        name: Name of the model.

    Returns:
        An uncompiled functional `keras.Model`; 161 parameters with the default arguments.

    Raises:
        ValueError: If an argument is out of its range or does not fit the others, or the weights do not fit.

    Source: Vaswani et al. 2017, "Attention is all you need"; the normalisation before each layer: Xiong et al. 2020,
    "On layer normalization in the transformer architecture"; class token: Devlin et al. 2019.

    Differs from the listing (A5) it repairs, a small MLP without queries, keys or values: there is self-attention, as
    the formula above that it was printed beside; the widths, 2, 4 and 1, and the activations are the listing's.

    >>> model = self_attention_classifier(vocabulary_size=300, num_classes=40, hidden_dim=32, num_heads=4)
    >>> model.output_shape
    (None, 40)
    """
    arguments.check_head(num_classes, classifier_activation)
    block = {"num_heads": num_heads, "feed_forward_dim": feed_forward_dim, "blocks": blocks, "causal": causal}
    with heads.precision(dtype):
        if vocabulary_size is None:
            inputs, x, mask = _vectors("features", num_features, "num_features", hidden_dim)
        else:
            inputs, x, mask = _tokens(vocabulary_size, num_channels, embedding_dim, hidden_dim)
        steps = {"positions": positions, "max_steps": max_steps, "pooling": pooling}
        x, attention = _encode(x, mask, **block, **steps, dropout=dropout)
        outputs = heads.classify(x, num_classes, classifier_activation, include_top)
        if return_attention:
            outputs = {"probabilities" if include_top else "features": outputs, **attention}
        model = keras.Model(inputs, outputs, name=name)
    return trained_weights.load(model, weights, "self_attention_classifier")


def self_attention_regressor(
    num_series: int = 1,
    num_outputs: int = 1,
    hidden_dim: int = 64,
    num_heads: int = 4,
    feed_forward_dim: int = 128,
    blocks: int = 1,
    positions: str | None = "sinusoidal",
    max_steps: int | None = None,
    pooling: str = "class_token",
    causal: bool = False,
    dropout: float = 0.0,
    weights: str | os.PathLike | None = None,
    dtype: str | keras.DTypePolicy | None = None,
    name: str = "self_attention_regressor",
) -> keras.Model:
    """Build a regressor from a series or its window: blocks as in `self_attention_classifier`, and a linear head.

    Any two steps are one attention away from each other, however far apart they are; between them a recurrent network
    has as many products as steps.

    Input: `series`, `(batch, steps, num_series)`, float32, standardised. Output: `(batch, num_outputs)`, any real
    numbers, in the dtype of the variables (float32 under a mixed-precision policy).

    Args:
        num_series: Number of series, which are the features of a step.
        num_outputs: Number of targets, such as the steps ahead.
        hidden_dim: As in `self_attention_classifier`, and so are all further arguments.
        num_heads: Number of attention heads.
        feed_forward_dim: Width of the hidden layer after the attention of each block.
        blocks: Number of blocks; 0 leaves the head on the embeddings alone, which needs mean pooling.
        positions: `"sinusoidal"`, `"learned"` or `None`.
        max_steps: The largest number of steps, for learned positions.
        pooling: `"mean"` or `"class_token"`. With one block, a class token attends to the steps in linear time.
        causal: Whether a step attends to itself and earlier ones alone.
        dropout: Dropout rate, in [0, 1).
        weights: `None` for initial ones; the name of the data set of a trained model, such as `"adding_problem"`; or
            the path of an export's folder or of a `.keras` file. A head for another number of targets stays initial.
        dtype: Dtype or policy of this model, such as `"mixed_bfloat16"`; `None` for Keras's global policy.
        name: Name of the model.

    Returns:
        An uncompiled functional `keras.Model`; 33,857 parameters with the default arguments.

    Raises:
        ValueError: If an argument is out of its range or does not fit the others, or the weights do not fit.

    Source: Vaswani et al. 2017, "Attention is all you need".

    >>> self_attention_regressor(num_series=2, hidden_dim=32, positions=None).output_shape
    (None, 1)
    """
    arguments.check_integer("num_outputs", num_outputs, minimum=1)
    block = {"num_heads": num_heads, "feed_forward_dim": feed_forward_dim, "blocks": blocks, "causal": causal}
    with heads.precision(dtype):
        series, x, mask = _vectors("series", num_series, "num_series", hidden_dim)
        steps = {"positions": positions, "max_steps": max_steps, "pooling": pooling}
        x, _ = _encode(x, mask, **block, **steps, dropout=dropout)
        outputs = layers.Dense(num_outputs, dtype=heads.full_precision(), name="forecast")(x)
        model = keras.Model(series, outputs, name=name)
    return trained_weights.load(model, weights, "self_attention_regressor")


def _vectors(name, width, argument, hidden_dim):
    """Return an input of vectors, the vectors as wide as a block, and a mask of ones."""
    arguments.check_integer(argument, width, minimum=1)
    arguments.check_integer("hidden_dim", hidden_dim, minimum=1)
    vectors = keras.Input((None, width), name=name)
    mask = ops.ones_like(vectors[..., 0], dtype="bool")
    return vectors, layers.Dense(hidden_dim, name="projection")(vectors), mask


def _tokens(vocabulary_size, num_channels, embedding_dim, hidden_dim):
    """Return an input of tokens, their embeddings as wide as a block, and the mask of what is no padding."""
    arguments.check_integer("vocabulary_size", vocabulary_size, minimum=2)
    arguments.check_integer("hidden_dim", hidden_dim, minimum=1)
    for argument, value in {"num_channels": num_channels, "embedding_dim": embedding_dim}.items():
        if value is not None:
            arguments.check_integer(argument, value, minimum=1)
    channels = () if num_channels is None else (num_channels,)
    tokens = keras.Input((None, *channels), dtype="int32", name="tokens")
    x = layers.Embedding(vocabulary_size, embedding_dim or hidden_dim, name="embedding")(tokens)
    x = ops.sum(x, axis=2) if channels else x
    x = x if embedding_dim is None else layers.Dense(hidden_dim, name="projection")(x)
    return tokens, x, ops.not_equal(tokens[..., 0] if channels else tokens, 0)


def _encode(x, mask, num_heads, feed_forward_dim, blocks, positions, max_steps, pooling, causal, dropout):
    """Return the pooled output of all blocks, and their attention weights by name."""
    _check(x.shape[-1], num_heads, feed_forward_dim, blocks, positions, max_steps, pooling, causal, dropout)
    if positions:
        x = x + _positions(mask, x.shape[-1], positions, max_steps)
    if pooling == "class_token":
        first = ops.zeros_like(mask[:, :1], dtype="int32")
        x = ops.concatenate([layers.Embedding(1, x.shape[-1], name="class_token")(first), x], axis=1)
        mask = ops.concatenate([ops.equal(first, 0), mask], axis=1)
    x = _dropout(x, dropout, "input_dropout")
    attention = {}
    for number in range(1, blocks + 1):
        only_first = pooling == "class_token" and number == blocks
        x, weights = _block(x, mask, num_heads, feed_forward_dim, causal, dropout, only_first, f"block{number}")
        attention[f"block{number}_attention"] = weights
    x = layers.LayerNormalization(dtype=heads.full_precision(), name="final_normalization")(x)
    return x[:, 0] if pooling == "class_token" else heads.masked_mean(x, mask), attention


def _block(x, mask, num_heads, feed_forward_dim, causal, dropout, only_first, name):
    """Return the outputs and attention weights of a block, at all steps or at the first only."""
    width = x.shape[-1]
    normalized = layers.LayerNormalization(name=f"{name}_attention_normalization")(x)
    x, query = (x[:, :1], normalized[:, :1]) if only_first else (x, normalized)
    y, weights = layers.MultiHeadAttention(num_heads, width // num_heads, name=f"{name}_attention")(
        query,
        normalized,
        attention_mask=ops.expand_dims(mask, 1),
        use_causal_mask=causal,
        return_attention_scores=True,
    )
    x = x + _dropout(y, dropout, f"{name}_attention_dropout")
    y = layers.LayerNormalization(name=f"{name}_feed_forward_normalization")(x)
    y = layers.Dense(feed_forward_dim, "relu", name=f"{name}_feed_forward")(y)
    y = layers.Dense(width, name=f"{name}_feed_forward_output")(y)
    return x + _dropout(y, dropout, f"{name}_feed_forward_dropout"), weights


def _positions(mask, width, kind, max_steps):
    """Return vectors `(batch, steps, width)`: learned, or sines and cosines of different frequencies."""
    steps = ops.cumsum(ops.ones_like(mask, dtype="int32"), axis=1) - 1
    if kind == "learned":
        return layers.Embedding(max_steps, width, name="position_embedding")(steps)
    frequencies = ops.convert_to_numpy(10_000.0 ** -ops.linspace(0.0, 1.0, width // 2, endpoint=False))
    angles = ops.expand_dims(ops.cast(steps, "float32"), -1) * frequencies
    return ops.concatenate([ops.sin(angles), ops.cos(angles)], axis=-1)


def _dropout(x, rate, name):
    return layers.Dropout(rate, name=name)(x) if rate else x


def _check(hidden_dim, num_heads, feed_forward_dim, blocks, positions, max_steps, pooling, causal, dropout):
    arguments.check_integer("num_heads", num_heads, minimum=1)
    arguments.check_integer("feed_forward_dim", feed_forward_dim, minimum=1)
    arguments.check_integer("blocks", blocks, minimum=1 if pooling == "class_token" else 0)
    arguments.check_choice("positions", positions, POSITIONS)
    arguments.check_choice("pooling", pooling, POOLING)
    arguments.check_real("dropout", dropout, minimum=0, below=1)
    if hidden_dim % num_heads:
        raise ValueError(f"`hidden_dim` must be a multiple of `num_heads`, {num_heads}. Received: {hidden_dim=}")
    if positions == "sinusoidal" and hidden_dim % 2:
        raise ValueError(f"`hidden_dim` must be even for sinusoidal positions. Received: {hidden_dim=}")
    if positions == "learned":
        arguments.check_integer("max_steps", max_steps, minimum=1)
    if causal and pooling == "class_token":
        raise ValueError(
            f"`causal` must be False with a class token, which would see itself alone. Received: {causal=}"
        )
