import numpy as np
import pytest
import torch
from torch import nn

from keras_refs import lstm_classifier, lstm_regressor, rnn_text_classifier, simple_rnn_regressor
from tests.parity import checks, weights


@pytest.mark.parametrize(
    ("build", "kind", "copy", "gates"),
    [
        (simple_rnn_regressor, nn.RNN, weights.copy_simple_rnn, 1),
        (lstm_regressor, nn.LSTM, weights.copy_lstm, 4),
    ],
)
def test_regressors(build, kind, copy, gates):
    torch.manual_seed(0)
    recurrent, head = kind(3, 32, num_layers=2, batch_first=True), nn.Linear(32, 2)
    checks.enlarge(recurrent, head)
    model = build(num_series=3, num_outputs=2, units=(32, 32))
    copy(recurrent, recurrent_layers(model))
    weights.copy_dense(head, model.get_layer("forecast"))
    # PyTorch has a second bias in each of the two layers.
    assert model.count_params() == checks.count_parameters(recurrent, head) - 2 * gates * 32
    checks.check_parity(model, lambda series: head(recurrent(series)[0][:, -1]), draw((4, 12, 3)))


def test_lstm_classifier():
    """Listing C2, with the sizes of the defaults."""
    torch.manual_seed(0)
    recurrent, head = nn.LSTM(28, 128, num_layers=2, batch_first=True), nn.Linear(128, 10)
    checks.enlarge(recurrent, head)
    model = lstm_classifier()
    weights.copy_lstm(recurrent, recurrent_layers(model))
    weights.copy_dense(head, model.get_layer("classifier"))
    # PyTorch has a second bias in each of the two layers.
    assert model.count_params() == checks.count_parameters(recurrent, head) - 2 * 4 * 128
    checks.check_parity(
        model, lambda sequence: torch.softmax(head(recurrent(sequence)[0][:, -1]), 1), draw((4, 28, 28))
    )


def test_listing_e2():
    """As printed, but that the last step is the last one that is not padding."""
    torch.manual_seed(0)
    embedding, head = nn.Embedding(50, 100, padding_idx=0), nn.Linear(128, 2)
    recurrent = nn.RNN(100, 128, num_layers=2, batch_first=True)
    checks.enlarge(recurrent, head)
    tokens = np.random.default_rng(0).integers(1, 50, (4, 9))
    lengths = [5, 9, 1, 7]
    for text, length in zip(tokens, lengths, strict=True):
        text[length:] = 0

    def twin(tokens):
        packed = nn.utils.rnn.pack_padded_sequence(embedding(tokens), lengths, batch_first=True, enforce_sorted=False)
        _, last_states = recurrent(packed)
        return torch.softmax(head(last_states[-1]), 1)

    model = rnn_text_classifier(vocabulary_size=50, embedding_dim=100)
    weights.copy_embedding(embedding, model.get_layer("embedding"))
    weights.copy_simple_rnn(recurrent, recurrent_layers(model))
    weights.copy_dense(head, model.get_layer("classifier"))
    # PyTorch has a second bias in each of the two layers.
    assert model.count_params() == checks.count_parameters(embedding, recurrent, head) - 2 * 128
    # Tokens have no gradient. The padding's embedding has one of zeros in both.
    checks.check_parity(model, twin, tokens, (model.get_layer("embedding").embeddings.value, embedding.weight))


def recurrent_layers(model):
    return [layer for layer in model.layers if layer.name.startswith("recurrent")]


def draw(shape):
    return np.random.default_rng(0).normal(size=shape).astype("float32")
