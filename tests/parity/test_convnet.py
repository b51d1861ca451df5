import numpy as np
import pytest
import torch
from torch import nn

from keras_refs import conv_classifier
from tests.parity import checks, weights


@pytest.mark.parametrize("classifier_activation", [None, "softmax"])
def test_listing_e1(classifier_activation):
    """As printed, but for the ReLU on the logits."""
    torch.manual_seed(0)
    first, second = nn.Conv2d(3, 32, 3, padding=1), nn.Conv2d(32, 64, 3, padding=1)
    head = nn.Linear(64 * 7 * 7, 10)
    checks.enlarge(first, second, head)

    def twin(images):
        x = images.permute(0, 3, 1, 2) / 255
        for convolution in (first, second):
            x = nn.functional.max_pool2d(torch.relu(convolution(x)), 2)
        logits = head(x.flatten(1))
        return torch.softmax(logits, 1) if classifier_activation else logits

    model = conv_classifier((28, 28, 3), padding="same", hidden_units=0, classifier_activation=classifier_activation)
    weights.copy_convolution(first, model.get_layer("block1_convolution"))
    weights.copy_convolution(second, model.get_layer("block2_convolution"))
    weights.copy_dense(head, model.get_layer("classifier"), flattened=(7, 7, 64))
    assert model.count_params() == checks.count_parameters(first, second, head)

    # Two will do. The more there are, the likelier it is that some pooling window has two largest values that differ by
    # rounding alone, and the gradient may go to either.
    images = np.random.default_rng(0).integers(0, 256, (2, 28, 28, 3)).astype("float32")
    checks.check_parity(model, twin, images)
