"""BERT: an encoder of texts, and a classifier on top of it."""

import os

import keras
from keras import layers, ops

from keras_refs.models import arguments, heads
from keras_refs.models import weights as trained_weights

POOLING = ("class_token", "mean")
BERT_SIZES = {
    "tiny": {"hidden_dim": 128, "blocks": 2, "num_heads": 2, "feed_forward_dim": 512},
    "mini": {"hidden_dim": 256, "blocks": 4, "num_heads": 4, "feed_forward_dim": 1024},
    "small": {"hidden_dim": 512, "blocks": 4, "num_heads": 8, "feed_forward_dim": 2048},
    "medium": {"hidden_dim": 512, "blocks": 8, "num_heads": 8, "feed_forward_dim": 2048},
    "base": {"hidden_dim": 768, "blocks": 12, "num_heads": 12, "feed_forward_dim": 3072},
    "minilm_l6": {"hidden_dim": 384, "blocks": 6, "num_heads": 12, "feed_forward_dim": 1536},
}
"""Arguments of both builders by the name of a published size: Turc et al. 2019, Devlin et al. 2019 (`"base"`), and the
six blocks of MiniLM that all-MiniLM-L6-v2 has (Wang et al. 2020)."""


def bert_encoder(
    vocabulary_size: int = 30_522,
    hidden_dim: int = 768,
    blocks: int = 12,
    num_heads: int = 12,
    feed_forward_dim: int = 3_072,
    max_steps: int = 512,
    num_segments: int = 2,
    dropout: float = 0.1,
    weights: str | os.PathLike | None = None,
    dtype: str | keras.DTypePolicy | None = None,
    name: str = "bert_encoder",
) -> keras.Model:
    """Build BERT's encoder: embeddings, blocks of self-attention and feed-forward layers, and a pooler.

    With N a layer normalisation with epsilon 1e-12, t_i the token and s_i the segment at step i, and E, P and S the
    tables of embeddings,

        x_i = N(E[t_i] + P[i] + S[s_i]),

    a block is (unlike `self_attention_classifier`, it normalises sums; its attention is the same)

        y = N(x + attention(x)),    z = N(y + gelu(y U + b) W + c),    gelu(v) = v (1 + erf(v / sqrt(2))) / 2,

    and the pooler is tanh(z_0 V + d) for the first step, which is the token `[CLS]`.

    Inputs, a dictionary: `tokens`, int32, `(batch, steps)`, 0 for padding at the end; `segments`, int32, `(batch,
    steps)`, from 0 to `num_segments - 1`: 0 for a first text and 1 for a second one. Outputs, a dictionary:
    `hidden_states`, `(batch, steps, hidden_dim)`, any real numbers, and `pooled`, `(batch, hidden_dim)`, in -1..1, both
    in the dtype of the variables (float32 under a mixed-precision policy, as are normalisations and the sums between
    them). Padding changes nothing at other steps; the hidden states of padding are meaningless. More than `max_steps`
    steps have no positions: TensorFlow raises an error on a CPU, and on a GPU continues with zeros; so texts are cut.

    Args:
        vocabulary_size: Number of tokens, the padding included.
        hidden_dim: Width of embeddings and blocks, a multiple of `num_heads`.
        blocks: Number of blocks.
        num_heads: Number of attention heads, each `hidden_dim / num_heads` wide.
        feed_forward_dim: Width of the hidden layer after the attention of each block.
        max_steps: The largest number of steps.
        num_segments: Number of segments.
        dropout: Dropout rate, in [0, 1), on the embeddings, the attention weights, and the outputs of attention and
            feed-forward layers.
        weights: `None` for initial ones, or the path of an export's folder or of a `.keras` file.
            `keras_refs.pretrained` reads published ones.
        dtype: Dtype or policy of this model, such as `"mixed_bfloat16"`; `None` for Keras's global policy.
        name: Name of the model.

    Returns:
        An uncompiled functional `keras.Model`; 109,482,240 parameters with the default arguments, those of
        bert-base-uncased. `BERT_SIZES` has the arguments of others.

    Raises:
        ValueError: If an argument is out of its range, `hidden_dim` no multiple of `num_heads`, or the weights do not
            fit.

    Source: Devlin et al. 2019, "BERT: Pre-training of deep bidirectional transformers for language understanding";
    Hendrycks & Gimpel 2016 (GELU). Initial weights are normal, truncated, with standard deviation 0.02, as there.

    >>> model = bert_encoder(vocabulary_size=100, hidden_dim=8, blocks=1, num_heads=2, feed_forward_dim=16)
    >>> {name: output.shape for name, output in model.output.items()}
    {'hidden_states': (None, None, 8), 'pooled': (None, 8)}
    """
    _check(vocabulary_size, hidden_dim, blocks, num_heads, feed_forward_dim, max_steps, num_segments, dropout)
    with heads.precision(dtype):
        inputs, x, mask = _embed(vocabulary_size, hidden_dim, max_steps, num_segments, dropout)
        for number in range(1, blocks + 1):
            x = _block(x, mask, num_heads, feed_forward_dim, dropout, f"block{number}")
        model = keras.Model(inputs, {"hidden_states": x, "pooled": _pool(x)}, name=name)
    return trained_weights.load(model, weights, "bert_encoder")


def bert_classifier(
    num_classes: int = 2,
    vocabulary_size: int = 30_522,
    hidden_dim: int = 768,
    blocks: int = 12,
    num_heads: int = 12,
    feed_forward_dim: int = 3_072,
    max_steps: int = 512,
    num_segments: int = 2,
    pooling: str = "class_token",
    dropout: float = 0.1,
    classifier_activation: str | None = "auto",
    include_top: bool = True,
    weights: str | os.PathLike | None = None,
    dtype: str | keras.DTypePolicy | None = None,
    name: str = "bert_classifier",
) -> keras.Model:
    """Build a text classifier: `bert_encoder`, and p = softmax(dropout(x) W + b).

    Here x is what the pooler makes of the first step, `[CLS]`, or the mean of the hidden states of all steps that are
    no padding, which a sentence encoder such as all-MiniLM-L6-v2 was trained to have.

    Inputs: those of `bert_encoder`. Output: `(batch, num_classes)`, class probabilities, in the dtype of the variables
    (float32 under a mixed-precision policy). Padding does not change it. The layers before the head have the names of
    those of `bert_encoder`.

    Args:
        num_classes: Number of classes. 1 builds a binary classifier, which outputs the probability of class 1.
        vocabulary_size: As in `bert_encoder`, and so are the following arguments.
        hidden_dim: Width of embeddings and blocks, a multiple of `num_heads`.
        blocks: Number of blocks.
        num_heads: Number of attention heads.
        feed_forward_dim: Width of the hidden layer after the attention of each block.
        max_steps: The largest number of steps.
        num_segments: Number of segments.
        pooling: `"class_token"`, or `"mean"`, which leaves the pooler out.
        dropout: Dropout rate, in [0, 1), also before the head.
        classifier_activation: `"auto"` for softmax (sigmoid if `num_classes` is 1), `"softmax"` for two classes or
            more, `"sigmoid"`, or `None` for logits.
        include_top: Whether there is a head. Without one the outputs are the features that it would read, before its
            dropout, as in Keras Applications: `(batch, hidden_dim)`, in the dtype of the variables.
        weights: `None` for initial ones, or the path of an export's folder or of a `.keras` file. A head for another
            number of classes stays initial; `keras_refs.pretrained` reads published ones.
        dtype: Dtype or policy of this model, such as `"mixed_bfloat16"`; `None` for Keras's global policy.
        name: Name of the model.

    Returns:
        An uncompiled functional `keras.Model`; 109,483,778 parameters with the default arguments.

    Raises:
        ValueError: If an argument is out of its range or does not fit the others, or the weights do not fit.

    Source: Devlin et al. 2019, "BERT: Pre-training of deep bidirectional transformers for language understanding".

    Differs from the listing (E3) it repairs: there are a head and class probabilities, so that a loss can compare them
    with labels; the network is built here, not downloaded, and `keras_refs.pretrained` reads trained weights from a
    file; padding is masked.

    >>> model = bert_classifier(num_classes=3, vocabulary_size=100, **BERT_SIZES["tiny"])
    >>> model.output_shape
    (None, 3)
    """
    arguments.check_head(num_classes, classifier_activation)
    arguments.check_choice("pooling", pooling, POOLING)
    sizes = vocabulary_size, hidden_dim, blocks, num_heads, feed_forward_dim, max_steps, num_segments
    encoder = bert_encoder(*sizes, dropout, dtype=dtype)
    with heads.precision(dtype):
        if pooling == "mean":
            x = heads.masked_mean(encoder.output["hidden_states"], ops.not_equal(encoder.input["tokens"], 0))
        else:
            x = encoder.output["pooled"]
        head = {"dropout": dropout, "kernel_initializer": _initializer()}
        outputs = heads.classify(x, num_classes, classifier_activation, include_top, **head)
        model = keras.Model(encoder.input, outputs, name=name)
    return trained_weights.load(model, weights, "bert_classifier")


def _check(vocabulary_size, hidden_dim, blocks, num_heads, feed_forward_dim, max_steps, num_segments, dropout):
    arguments.check_integer("vocabulary_size", vocabulary_size, minimum=2)
    arguments.check_integer("hidden_dim", hidden_dim, minimum=1)
    arguments.check_integer("blocks", blocks, minimum=1)
    arguments.check_integer("num_heads", num_heads, minimum=1)
    arguments.check_integer("feed_forward_dim", feed_forward_dim, minimum=1)
    arguments.check_integer("max_steps", max_steps, minimum=1)
    arguments.check_integer("num_segments", num_segments, minimum=1)
    arguments.check_real("dropout", dropout, minimum=0, below=1)
    if hidden_dim % num_heads:
        raise ValueError(f"`hidden_dim` must be a multiple of `num_heads`, {num_heads}. Received: {hidden_dim=}")


def _embed(vocabulary_size, hidden_dim, max_steps, num_segments, dropout):
    """Return the inputs, the sum of their embeddings, normalised, and the mask of what is no padding."""
    tokens, segments = (keras.Input((None,), dtype="int32", name=name) for name in ("tokens", "segments"))
    # The positions of one example stand for all: so the gradient of their table is as small as they are.
    positions = ops.cumsum(ops.ones_like(tokens[:1, :]), axis=1) - 1
    x = _embedding(vocabulary_size, hidden_dim, "word_embedding")(tokens)
    x = x + _embedding(max_steps, hidden_dim, "position_embedding")(positions)
    x = x + _embedding(num_segments, hidden_dim, "segment_embedding")(segments)
    x = layers.Dropout(dropout, name="embedding_dropout")(_normalize(x, "embedding_normalization"))
    # For all queries alike.
    mask = ops.expand_dims(ops.not_equal(tokens, 0), axis=1)
    return {"tokens": tokens, "segments": segments}, x, mask


def _block(x, mask, num_heads, feed_forward_dim, dropout, name):
    width = x.shape[-1]
    attention = layers.MultiHeadAttention(
        num_heads, width // num_heads, dropout=dropout, kernel_initializer=_initializer(), name=f"{name}_attention"
    )
    y = layers.Dropout(dropout, name=f"{name}_attention_dropout")(attention(x, x, attention_mask=mask))
    x = _normalize(x + y, f"{name}_attention_normalization")
    y = _dense(feed_forward_dim, "gelu", f"{name}_feed_forward")(x)
    y = _dense(width, None, f"{name}_feed_forward_output")(y)
    y = layers.Dropout(dropout, name=f"{name}_feed_forward_dropout")(y)
    return _normalize(x + y, f"{name}_feed_forward_normalization")


def _pool(x):
    return _dense(x.shape[-1], "tanh", "pooler", dtype=heads.full_precision())(x[:, 0])


def _normalize(x, name):
    return layers.LayerNormalization(epsilon=1e-12, dtype=heads.full_precision(), name=name)(x)


def _dense(units, activation, name, dtype=None):
    return layers.Dense(units, activation, kernel_initializer=_initializer(), dtype=dtype, name=name)


def _embedding(size, width, name):
    return layers.Embedding(size, width, embeddings_initializer=_initializer(), name=name)


def _initializer():
    # A new one for each layer: the same one without a seed would give the same numbers again.
    return keras.initializers.TruncatedNormal(stddev=0.02)
