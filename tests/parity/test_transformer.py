import math

import numpy as np
import pytest
import torch
from torch import nn

from keras_refs import self_attention_classifier
from tests.parity import checks, weights

WIDTH, HEADS, FEED_FORWARD, BLOCKS, STEPS = 32, 4, 48, 2, 9


def encoder():
    layer = nn.TransformerEncoderLayer(
        WIDTH, HEADS, FEED_FORWARD, dropout=0.0, layer_norm_eps=1e-3, batch_first=True, norm_first=True
    )
    # Without the fast path, which is for inference alone and drops padded steps.
    return nn.TransformerEncoder(layer, BLOCKS, norm=nn.LayerNorm(WIDTH, eps=1e-3), enable_nested_tensor=False)


def positions():
    angles = torch.arange(STEPS)[:, None] / 10_000 ** (torch.arange(WIDTH // 2) / (WIDTH // 2))
    return torch.cat([torch.sin(angles), torch.cos(angles)], dim=1)


@pytest.mark.parametrize("causal", [False, True])
def test_vectors(causal):
    torch.manual_seed(0)
    projection, blocks, head = nn.Linear(3, WIDTH), encoder(), nn.Linear(WIDTH, 5)
    draw_normalizations(blocks)
    model = self_attention_classifier(3, 5, **SIZES, causal=causal)
    weights.copy_dense(projection, model.get_layer("projection"))
    weights.copy_transformer_encoder(blocks, model)
    weights.copy_dense(head, model.get_layer("classifier"))
    assert model.count_params() == checks.count_parameters(projection, blocks, head)
    mask = nn.Transformer.generate_square_subsequent_mask(STEPS) if causal else None

    def twin(features):
        x = blocks(projection(features) + positions(), mask=mask, is_causal=causal)
        return torch.softmax(head(x.mean(dim=1)), dim=1)

    features = np.random.default_rng(0).normal(size=(4, STEPS, 3)).astype("float32")
    checks.check_parity(model, twin, features)


def test_padded_tokens():
    torch.manual_seed(0)
    embedding, blocks, head = nn.Embedding(20, WIDTH), encoder(), nn.Linear(WIDTH, 5)
    draw_normalizations(blocks)
    tokens = np.random.default_rng(0).integers(1, 20, (4, STEPS)).astype("int32")
    for text, length in zip(tokens, [5, 9, 1, 7], strict=True):
        text[length:] = 0
    model = self_attention_classifier(num_classes=5, vocabulary_size=20, **SIZES)
    weights.copy_embedding(embedding, model.get_layer("embedding"))
    weights.copy_transformer_encoder(blocks, model)
    weights.copy_dense(head, model.get_layer("classifier"))

    def twin(tokens):
        x = blocks(embedding(tokens) + positions(), src_key_padding_mask=tokens == 0)
        kept = (tokens != 0)[..., None]
        return torch.softmax(head((x * kept).sum(dim=1) / kept.sum(dim=1)), dim=1)

    variables = model.get_layer("embedding").embeddings.value, embedding.weight
    checks.check_parity(model, twin, tokens, variables)


SIZES = {"hidden_dim": WIDTH, "num_heads": HEADS, "feed_forward_dim": FEED_FORWARD, "blocks": BLOCKS}


def draw_normalizations(blocks):
    """Draw the scales and shifts of normalisations, ones and zeros at first, as a mistake with them would not show."""
    with torch.no_grad():
        for module in blocks.modules():
            if isinstance(module, nn.LayerNorm):
                module.weight.uniform_(0.5, 1.5)
                module.bias.uniform_(-0.5, 0.5)
            elif isinstance(module, nn.MultiheadAttention):
                module.in_proj_bias.uniform_(-1 / math.sqrt(WIDTH), 1 / math.sqrt(WIDTH))
