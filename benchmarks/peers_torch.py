"""The networks of `benchmarks/peers.py` in PyTorch, with the same layers and optimizer."""

import functools

import numpy as np
import torch
from torch import nn
from torch.nn import functional


class Convolutional(nn.Sequential):
    """`conv_classifier` with its default arguments."""

    def __init__(self):
        super().__init__(
            *(nn.Conv2d(1, 32, 3), nn.MaxPool2d(2), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.MaxPool2d(2), nn.ReLU()),
            *(nn.Flatten(), nn.Linear(1600, 64), nn.ReLU(), nn.Linear(64, 10)),
        )

    def forward(self, images):
        """Return logits of uint8 images `(batch, 28, 28, 1)`."""
        return super().forward(images.permute(0, 3, 1, 2).float() / 255)


class Recurrent(nn.Module):
    """`lstm_classifier`, or the same of simple recurrent layers: two of 128."""

    def __init__(self, layer):
        super().__init__()
        self.recurrent, self.head = layer(28, 128, num_layers=2, batch_first=True), nn.Linear(128, 10)

    def forward(self, sequences):
        """Return logits of float32 sequences `(batch, steps, 28)`."""
        return self.head(self.recurrent(sequences)[0][:, -1])


class Dense(nn.Sequential):
    """The network of the recipe `mlp`."""

    def __init__(self):
        super().__init__(nn.Linear(784, 1024), nn.ReLU(), nn.Linear(1024, 512), nn.ReLU(), nn.Linear(512, 10))


class Seq2Seq(nn.Module):
    """`attention_seq2seq` with the sizes of the recipe `g2p`."""

    def __init__(self, width=128, units=512, symbols=(28, 41), dropout=0.45):
        super().__init__()
        self.source, self.target = (nn.Embedding(size, width, padding_idx=0) for size in symbols)
        self.encoder = nn.LSTM(width, units, num_layers=2, batch_first=True, dropout=dropout)
        self.decoder, self.dropout = nn.LSTM(width, units, batch_first=True), nn.Dropout(dropout)
        self.combination, self.head = nn.Linear(2 * units, units), nn.Linear(units, symbols[1])

    def forward(self, source, target):
        """Return logits `(batch, steps, symbols)` of int64 tokens `(batch, steps)`."""
        memory, states = self.encoder(self.source(source))
        memory, last = self.dropout(memory), tuple(state[-1:].contiguous() for state in states)
        decoded = self.dropout(self.decoder(self.target(target), last)[0])
        scores = (decoded @ memory.transpose(1, 2)).masked_fill((source == 0)[:, None], float("-inf"))
        combined = torch.tanh(self.combination(torch.cat([decoded, scores.softmax(-1) @ memory], -1)))
        return self.head(self.dropout(combined))


class Transformer(nn.Module):
    """`self_attention_classifier` with the sizes of its recipe."""

    def __init__(self, vocabulary_size=65_536, width=32, hidden=96, classes=40):
        super().__init__()
        self.embedding, self.projection = nn.Embedding(vocabulary_size, width, padding_idx=0), nn.Linear(width, hidden)
        options = {"activation": "gelu", "batch_first": True, "norm_first": True}
        self.block = nn.TransformerEncoderLayer(hidden, 4, 192, dropout=0.1, **options)
        self.norm, self.head = nn.LayerNorm(hidden), nn.Linear(hidden, classes)

    def forward(self, tokens):
        """Return logits of int64 tokens `(batch, steps, channels)`."""
        padding = tokens[..., 0] == 0
        x = self.projection(self.embedding(tokens).sum(2))
        x = self.norm(self.block(x, src_key_padding_mask=padding)) * ~padding[..., None]
        return self.head(x.sum(1) / (~padding).sum(1, keepdim=True).clamp(min=1))


NETWORKS = {
    "conv_classifier": Convolutional,
    "simple_rnn": lambda: Recurrent(nn.RNN),
    "lstm": lambda: Recurrent(nn.LSTM),
    "mlp": Dense,
    "g2p": Seq2Seq,
    "transformer": Transformer,
}


def stepper(network, precision, compiled):
    """Return a function that trains a network on a batch, a list of tensors, and its targets.

    The optimizer is Adam with cosine decay, clipped gradients and an exponential moving average of the weights.

    Args:
        network: One of `NETWORKS`.
        precision: `"float32"` or `"bfloat16"`, by autocast.
        compiled: Whether `torch.compile` compiles network and loss.
    """
    optimizer = torch.optim.Adam(network.parameters(), 1e-3, fused=True)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10_000)
    update = torch.optim.swa_utils.get_ema_multi_avg_fn(0.99)
    averaged = torch.optim.swa_utils.AveragedModel(network, multi_avg_fn=update)
    autocast = autocast_to(precision, network)

    def loss_of(batch, target):
        with autocast():
            logits = network(*batch)
        # 0 is padding where there are several of an example.
        ignored = {"ignore_index": 0} if target.ndim > 1 else {}
        return functional.cross_entropy(logits.flatten(0, -2).float(), target.flatten(), **ignored)

    if compiled:
        loss_of = torch.compile(loss_of)

    def step(batch, target):
        network.train()
        optimizer.zero_grad(set_to_none=True)
        loss_of(batch, target).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        decay.step()
        averaged.update_parameters(network)

    return step


def autocast_to(precision, network):
    """Return a function that makes a context in which a network computes in a precision, where it lies."""
    device = next(network.parameters()).device.type
    return functools.partial(torch.autocast, device, torch.bfloat16, enabled=precision == "bfloat16")


def tensors(*arrays):
    """Return NumPy arrays as tensors, whole numbers as int64."""
    return [torch.as_tensor(array.astype(np.int64) if array.dtype == np.int32 else array) for array in arrays]


def trainer(name, inputs, targets, batch_size, *, precision, compiled):
    """Return a function that trains on all examples once, shuffled, and one that predicts them, in full batches.

    Args:
        name: One of `NETWORKS`.
        inputs: NumPy arrays, in the order of the arguments of `forward`.
        targets: Class indices.
        batch_size: Examples a step.
        precision: As for `stepper`.
        compiled: As for `stepper`.
    """
    torch.manual_seed(0)
    network = NETWORKS[name]()
    inputs, targets = tensors(*inputs), torch.as_tensor(targets).long()
    step, autocast = stepper(network, precision, compiled), autocast_to(precision, network)
    predict_batch = torch.compile(network) if compiled else network

    def train():
        for order in torch.randperm(len(targets)).split(batch_size):
            if len(order) < batch_size:
                break
            step([array[order] for array in inputs], targets[order])

    def predict():
        network.eval()
        with torch.inference_mode(), autocast():
            for start in range(0, len(targets) - batch_size + 1, batch_size):
                predict_batch(*(array[start : start + batch_size] for array in inputs)).softmax(-1)

    return train, predict
