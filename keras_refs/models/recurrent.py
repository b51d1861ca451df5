"""Recurrent networks for series, sequences and texts."""

import keras
from keras import layers

from keras_refs.models import arguments, heads


def simple_rnn_regressor(
    num_series=1, num_outputs=1, units=(1,), steps=None, mask_value=None, dropout=0.0, name="simple_rnn_regressor"
):
    """Build a forecaster from a window of a series with simple (Elman) recurrent layers and a linear head.

    Each layer computes h_t = tanh(x_t W + h_(t-1) U + b); the head is y = h_T V + c for the last step T.

    Input: `series`, `(batch, steps, num_series)`, float32, standardised. Output: `(batch, num_outputs)`, any real
    numbers, in the dtype of the variables (float32 under a mixed-precision policy).

    Args:
        num_series: Number of series, which are the features of a step.
        num_outputs: Number of targets, such as the steps ahead.
        units: Width of each recurrent layer.
        steps: Length of the windows; `None` for any.
        mask_value: Skips steps at which all series have it, for windows of different lengths; `None` for no masking.
        dropout: Dropout rate on the inputs of every layer except the first, in [0, 1).
        name: Name of the model.

    Returns:
        An uncompiled functional `keras.Model`; 5 parameters with the default arguments.

    Raises:
        ValueError: If an argument is out of its range.

    Source: Elman 1990, "Finding structure in time".

    Differs from the listing (A4) it repairs: the head is linear, as the tanh of a recurrent layer is below 1 and never
    reaches targets such as 2, 3 and 4; and windows have three dimensions, `(batch, steps, series)`.

    >>> simple_rnn_regressor(num_series=3, units=(12,), steps=5).output_shape
    (None, 1)
    """
    _check(num_series=num_series, num_outputs=num_outputs, units=units, steps=steps, dropout=dropout)
    series, x = _series_input(steps, num_series, mask_value, "series")
    x = _recurrent(layers.SimpleRNN, x, units, dropout)
    return _model(series, x, num_outputs, None, name)


def lstm_regressor(
    num_series=1,
    num_outputs=1,
    units=(128,),
    steps=None,
    mask_value=None,
    dropout=0.0,
    use_cudnn="auto",
    name="lstm_regressor",
):
    """Build a forecaster from a window of a series with LSTM layers and a linear head.

    Each layer computes, with s the logistic function and `*` the element-wise product,

        i, f, o = s(x_t W + h_(t-1) U + b)  (each its own W, U, b),    g = tanh(x_t W_g + h_(t-1) U_g + b_g),
        c_t = f * c_(t-1) + i * g,    h_t = o * tanh(c_t);

    the head is y = h_T V + d for the last step T.

    Input: `series`, `(batch, steps, num_series)`, float32, standardised. Output: `(batch, num_outputs)`, any real
    numbers, in the dtype of the variables (float32 under a mixed-precision policy).

    Args:
        num_series: Number of series, which are the features of a step.
        num_outputs: Number of targets, such as the steps ahead.
        units: Width of each LSTM layer.
        steps: Length of the windows; `None` for any.
        mask_value: Skips steps at which all series have it, on a GPU only at the end; `None` for no masking.
        dropout: Dropout rate on the inputs of every layer except the first, in [0, 1).
        use_cudnn: `False` for an export that runs on any device; traced on a GPU, one with `"auto"` needs a GPU.
        name: Name of the model.

    Returns:
        An uncompiled functional `keras.Model`; 66,689 parameters with the default arguments.

    Raises:
        ValueError: If an argument is out of its range.

    Source: Hochreiter & Schmidhuber 1997, "Long short-term memory"; equations: Gers, Schmidhuber & Cummins 2000.

    >>> lstm_regressor(num_series=2, num_outputs=24, units=(16, 16)).output_shape
    (None, 24)
    """
    _check(num_series=num_series, num_outputs=num_outputs, units=units, steps=steps, dropout=dropout)
    series, x = _series_input(steps, num_series, mask_value, "series")
    x = _recurrent(layers.LSTM, x, units, dropout, use_cudnn=use_cudnn)
    return _model(series, x, num_outputs, None, name)


def lstm_classifier(
    num_features=28,
    num_classes=10,
    units=(128, 128),
    steps=None,
    mask_value=None,
    dropout=0.0,
    use_cudnn="auto",
    name="lstm_classifier",
):
    """Build a sequence classifier: LSTM layers (see `lstm_regressor`), and p = softmax(h_T V + d) for the last step T.

    Input: `sequence`, `(batch, steps, num_features)`, float32, scaled to about -1..1. Output: `(batch, num_classes)`,
    class probabilities, in the dtype of the variables (float32 under a mixed-precision policy).

    Args:
        num_features: Number of features of a step.
        num_classes: Number of classes. 1 builds a binary classifier, which outputs the probability of class 1.
        units: Width of each LSTM layer.
        steps: Length of the sequences; `None` for any.
        mask_value: Skips steps at which all features have it, on a GPU only at the end; `None` for no masking.
        dropout: Dropout rate on the inputs of the head and of every layer except the first, in [0, 1).
        use_cudnn: `False` for an export that runs on any device; traced on a GPU, one with `"auto"` needs a GPU.
        name: Name of the model.

    Returns:
        An uncompiled functional `keras.Model`; 213,258 parameters with the default arguments.

    Raises:
        ValueError: If an argument is out of its range.

    Source: Hochreiter & Schmidhuber 1997, "Long short-term memory"; Gers, Schmidhuber & Cummins 2000.

    Differs from the listings (C2, D5) it repairs: sizes are arguments with values (C2); sequences have three
    dimensions, labels are not random, and the cell's activation is tanh: with ReLU the state is unbounded (D5).

    >>> lstm_classifier(num_features=1, units=(32,), steps=10).output_shape
    (None, 10)
    """
    _check(num_features=num_features, num_classes=num_classes, units=units, steps=steps, dropout=dropout)
    sequence, x = _series_input(steps, num_features, mask_value, "sequence")
    x = _recurrent(layers.LSTM, x, units, dropout, use_cudnn=use_cudnn)
    return _model(sequence, _dropout(x, dropout, "dropout"), num_classes, heads.probabilities(num_classes), name)


def rnn_text_classifier(
    vocabulary_size=10_000, num_classes=2, embedding_dim=128, units=(128, 128), dropout=0.0, name="rnn_text_classifier"
):
    """Build a text classifier: embedding, simple (Elman) recurrent layers, and a softmax on the last real step.

    With e_t the embedding of token t, h_t = tanh(e_t W + h_(t-1) U + b) and p = softmax(h_T V + c), where T is the
    last step that is not padding: steps whose token is 0 are skipped.

    Input: `tokens`, `(batch, steps)`, int32, 0 for padding, 1 to `vocabulary_size - 1` for tokens. Output: `(batch,
    num_classes)`, class probabilities, in the dtype of the variables (float32 under a mixed-precision policy). The
    prediction for a text without tokens is that of the initial state 0.

    Args:
        vocabulary_size: Number of tokens, the padding included.
        num_classes: Number of classes. 1 builds a binary classifier, which outputs the probability of class 1.
        embedding_dim: Width of the embedding.
        units: Width of each recurrent layer.
        dropout: Dropout rate on the inputs of the head and of every layer except the first, in [0, 1).
        name: Name of the model.

    Returns:
        An uncompiled functional `keras.Model`; 1,346,050 parameters with the default arguments.

    Raises:
        ValueError: If an argument is out of its range.

    Source: Elman 1990, "Finding structure in time".

    Differs from the listing (E2) it repairs: padding is masked, so that the last step is the last real token.

    >>> rnn_text_classifier(vocabulary_size=300, num_classes=40).output_shape
    (None, 40)
    """
    arguments.check_integer("vocabulary_size", vocabulary_size, minimum=2)
    arguments.check_integer("embedding_dim", embedding_dim, minimum=1)
    _check(num_classes=num_classes, units=units, dropout=dropout)
    tokens = keras.Input(shape=(None,), dtype="int32", name="tokens")
    x = layers.Embedding(vocabulary_size, embedding_dim, mask_zero=True, name="embedding")(tokens)
    x = _recurrent(layers.SimpleRNN, x, units, dropout)
    return _model(tokens, _dropout(x, dropout, "dropout"), num_classes, heads.probabilities(num_classes), name)


def _check(units, dropout, steps=None, **counts):
    for name, count in counts.items():
        arguments.check_integer(name, count, minimum=1)
    arguments.check_integers("units", units, minimum=1)
    if steps is not None:
        arguments.check_integer("steps", steps, minimum=1)
    arguments.check_real("dropout", dropout, minimum=0, below=1)


def _series_input(steps, width, mask_value, name):
    series = keras.Input(shape=(steps, width), name=name)
    return series, series if mask_value is None else layers.Masking(mask_value, name="masking")(series)


def _recurrent(layer, x, units, dropout, **options):
    """Apply a stack of recurrent layers, the last of which returns its state at the last step that is not masked."""
    for number, width in enumerate(units, start=1):
        if number > 1:
            x = _dropout(x, dropout, f"dropout{number - 1}")
        x = layer(width, return_sequences=number < len(units), **options, name=f"recurrent{number}")(x)
    return x


def _dropout(x, rate, name):
    return layers.Dropout(rate, name=name)(x) if rate else x


def _model(inputs, x, width, activation, name):
    layer_name = "classifier" if activation else "forecast"
    outputs = layers.Dense(width, activation, dtype=heads.full_precision(), name=layer_name)(x)
    return keras.Model(inputs, outputs, name=name)
