"""PyTorch's side of `benchmarks/gpu.py`."""

import contextlib
import functools
import importlib.metadata
import time

import numpy as np
import peers_torch
import torch
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


class Bert(nn.Module):
    """`bert_classifier` with its default arguments."""

    def __init__(self, width=768, classes=2):
        super().__init__()
        self.words, self.steps, self.segments = (nn.Embedding(size, width) for size in (30_522, 512, 2))
        self.norm, self.dropout = nn.LayerNorm(width, 1e-12), nn.Dropout(0.1)
        block = nn.TransformerEncoderLayer(width, 12, 3_072, 0.1, "gelu", 1e-12, batch_first=True)
        self.blocks, self.pooler = nn.TransformerEncoder(block, 12, enable_nested_tensor=False), nn.Linear(width, width)
        self.head = nn.Linear(width, classes)

    def forward(self, tokens):
        """Return logits of int64 tokens `(batch, steps)`."""
        steps = torch.arange(tokens.shape[1], device=tokens.device)
        x = self.words(tokens) + self.steps(steps) + self.segments(torch.zeros_like(tokens))
        x = self.blocks(self.dropout(self.norm(x)), src_key_padding_mask=tokens == 0)
        return self.head(self.dropout(torch.tanh(self.pooler(x[:, 0]))))


class Generator(nn.Module):
    """`gan_generator` with the sizes of the recipe `gan`."""

    def __init__(self):
        super().__init__()
        width = 7 * 7 * 128
        self.dense = nn.Sequential(nn.Linear(110, width, bias=False), nn.BatchNorm1d(width), nn.LeakyReLU(0.2))
        self.convolutions = nn.Sequential(
            # As Keras pads an even kernel: one row and one column more at the end, which are cut.
            *(nn.ConvTranspose2d(128, 128, 4, 1, 1, bias=False), nn.ZeroPad2d((0, -1, 0, -1))),
            *(nn.BatchNorm2d(128), nn.LeakyReLU(0.2)),
            *(nn.ConvTranspose2d(128, 64, 4, 2, 1, bias=False), nn.BatchNorm2d(64), nn.LeakyReLU(0.2)),
            *(nn.ConvTranspose2d(64, 1, 4, 2, 1), nn.Tanh()),
        )

    def forward(self, latents, classes):
        """Return images of latents `(batch, 100)` and their classes."""
        latents = torch.cat([latents, functional.one_hot(classes, 10).to(latents.dtype)], -1)
        return self.convolutions(self.dense(latents).view(-1, 128, 7, 7))


class Discriminator(nn.Module):
    """`gan_discriminator` with the sizes of the recipe `gan`."""

    def __init__(self):
        super().__init__()
        self.convolutions = nn.Sequential(
            *(nn.Conv2d(1, 64, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(64, 128, 4, 2, 1), nn.LeakyReLU(0.2)),
            nn.Flatten(),
        )
        self.logit, self.class_weights = nn.Linear(7 * 7 * 128, 1), nn.Embedding(10, 7 * 7 * 128)

    def forward(self, images, classes):
        """Return the logits of images and their classes."""
        x = self.convolutions(images)
        return self.logit(x)[:, 0] + (x * self.class_weights(classes)).sum(-1)


def gan_stepper(networks, precision, compiled):
    """Return a function that trains generator and discriminator on a batch of images and latents and their classes."""
    optimizers = [torch.optim.Adam(network.parameters(), 1e-3, (0.5, 0.999), fused=True) for network in networks]
    update = torch.optim.swa_utils.get_ema_multi_avg_fn(0.99)
    averaged = [torch.optim.swa_utils.AveragedModel(network, multi_avg_fn=update) for network in networks]
    autocast = peers_torch.autocast_to(precision, networks[0])

    def in_precision(network, *inputs):
        with autocast():
            return network(*inputs).float()

    generate, judge = (functools.partial(in_precision, network) for network in networks)
    if compiled:
        generate, judge = torch.compile(generate), torch.compile(judge)

    def apply(loss, number):
        parameters = list(networks[number].parameters())
        gradients = torch.autograd.grad(loss, parameters)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient.contiguous()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizers[number].step()
        averaged[number].update_parameters(networks[number])

    def step(batch, classes):
        images, latents = batch
        images, their_classes = images.permute(0, 3, 1, 2), latents[:, :10].argmax(-1)
        generated = generate(latents, their_classes)
        real, false = judge(images, classes), judge(generated.detach(), their_classes)
        apply((functional.relu(1 - real) + functional.relu(1 + false)).mean() / 2, 1)
        apply(-judge(generated, their_classes).mean(), 0)

    return step


def step_of(name, precision, compiled, device):
    """Return the function that trains a network on a batch and its targets."""
    torch.manual_seed(0)
    if name == "gan":
        return gan_stepper([Generator().to(device), Discriminator().to(device)], precision, compiled)
    network = Bert() if name == "bert_base" else peers_torch.NETWORKS[name]()
    return peers_torch.stepper(network.to(device), precision, compiled)


def trainer(name, precision, compiled):
    """Return a function that trains on some batches of a size and waits for the end."""
    torch.set_float32_matmul_precision("high")
    torch.backends.cudnn.allow_tf32 = True
    step, on_device = step_of(name, precision, compiled, DEVICE), {}

    def train(inputs, targets, batch_size, rounds):
        if batch_size not in on_device:
            given = [*peers_torch.tensors(*inputs), torch.as_tensor(targets).long()]
            on_device[batch_size] = [array.to(DEVICE) for array in given]
        *inputs, targets = on_device[batch_size]
        for start in list(range(0, len(targets), batch_size)) * rounds:
            step([array[start : start + batch_size] for array in inputs], targets[start : start + batch_size])
        synchronize()

    return train


def synchronize():
    """Wait until the GPU has done what it was given."""
    if DEVICE == "cuda":
        torch.cuda.synchronize()


def count_flops(name):
    """Return the floating-point operations of a training step for one example: products and convolutions."""
    from gpu import examples

    step, count = step_of(name, "float32", compiled=False, device="cpu"), 2
    inputs, targets = examples(name, count)
    # Recurrent layers as the products that they consist of, and attention too, which the counter sees.
    plain = torch.backends.mkldnn.flags(enabled=False)
    attention = nn.attention.sdpa_kernel(nn.attention.SDPBackend.MATH)
    with plain, attention, FlopCounterMode(display=False) as counter:
        step(peers_torch.tensors(*inputs), torch.as_tensor(targets).long())
    return counter.get_total_flops() // count


def peak(precision, size=8192):
    """Return the TFLOP/s of a product of two square matrices; 0 without a GPU."""
    if DEVICE == "cpu":
        return 0.0
    torch.set_float32_matmul_precision("high")
    a, b = (torch.randn(size, size, device=DEVICE, dtype=getattr(torch, precision)) for _ in range(2))
    rates = []
    for _ in range(20):
        synchronize()
        began = time.perf_counter()
        a @ b
        synchronize()
        rates.append(2 * size**3 / (time.perf_counter() - began) / 1e12)
    return round(float(np.median(rates[5:])), 1)


def describe():
    """Return device and versions."""
    versions = {}
    for name in ("keras", "jax", "torch"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    device = torch.cuda.get_device_name() if DEVICE == "cuda" else "CPU"
    return {"device": device, "versions": versions}
