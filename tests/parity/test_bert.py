import numpy as np
import pytest
import tensorflow as tf
import torch
from safetensors.torch import save_file
from transformers import BertConfig, BertForSequenceClassification, BertModel

from keras_refs import bert_classifier, bert_encoder, pretrained
from tests.parity import checks, weights

SIZES = {"vocabulary_size": 30, "hidden_dim": 24, "blocks": 2, "num_heads": 4, "feed_forward_dim": 40, "max_steps": 10}
CONFIG = BertConfig(
    vocab_size=30,
    hidden_size=24,
    num_hidden_layers=2,
    num_attention_heads=4,
    intermediate_size=40,
    max_position_embeddings=10,
    num_labels=3,
)


def enlarged(kind):
    """Return a PyTorch network with random weights, biases and scales included, of about the size of trained ones."""
    torch.manual_seed(0)
    twin = kind(CONFIG).eval()
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return twin


def draw_inputs():
    rng = np.random.default_rng(0)
    tokens, segments = rng.integers(1, 30, (4, 9)), rng.integers(0, 2, (4, 9))
    for text, length in zip(tokens, [5, 9, 1, 7], strict=True):
        text[length:] = 0
    return tokens, segments


def load(model, twin, folder):
    """Copy the weights by the package's own reader, through a file."""
    save_file(twin.state_dict(), folder / "model.safetensors")
    twin.config.save_pretrained(folder)
    pretrained.load_bert_weights(model, folder)
    return model


@pytest.mark.parametrize("output", ["hidden_states", "pooled"])
@pytest.mark.parametrize("layer", ["word_embedding", "position_embedding"])
def test_encoder(output, layer, tmp_path):
    """Outputs, and the gradients of what all blocks pass on."""
    twin, (tokens, segments) = enlarged(BertModel), draw_inputs()
    model = load(bert_encoder(**SIZES, dropout=0.0), twin, tmp_path)
    assert model.count_params() == checks.count_parameters(twin)
    is_token = (tokens != 0)[..., np.newaxis]

    def run(tokens):
        outputs = model({"tokens": tokens, "segments": tf.constant(segments)})[output]
        return outputs if output == "pooled" else tf.where(is_token, outputs, 0.0)

    def run_twin(tokens):
        outputs = twin(tokens, (tokens != 0).long(), torch.tensor(segments))
        hidden_states = torch.where(torch.tensor(is_token), outputs.last_hidden_state, 0)
        return outputs.pooler_output if output == "pooled" else hidden_states

    table = getattr(twin.embeddings, f"{layer}s").weight
    checks.check_parity(run, run_twin, tokens, (model.get_layer(layer).embeddings.value, table))


def test_classifier(tmp_path):
    twin, (tokens, segments) = enlarged(BertForSequenceClassification), draw_inputs()
    model = load(bert_classifier(3, **SIZES, dropout=0.0, classifier_activation=None), twin, tmp_path)
    weights.copy_dense(twin.classifier, model.get_layer("classifier"))
    assert model.count_params() == checks.count_parameters(twin)
    checks.check_parity(
        lambda tokens: model({"tokens": tokens, "segments": tf.constant(segments)}),
        lambda tokens: twin(tokens, (tokens != 0).long(), torch.tensor(segments)).logits,
        tokens,
        (model.get_layer("segment_embedding").embeddings.value, twin.bert.embeddings.token_type_embeddings.weight),
    )
