"""Which precision, compilation and threads a device and a model family get.

What `choose_compute` needs of the machine are arguments: what a GPU would get is tested without one. The rules are
measurements, which `benchmarks/throughput.py` and `benchmarks/peers.py` repeat for the machine they run on. How fast
processors multiply bfloat16 differs so much, with the same instructions, that every run measures it.
"""

import contextlib
import dataclasses
import platform
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from keras_refs.errors import UserError

FAMILIES = ("convolutional", "dense", "recurrent", "wide_recurrent")
"""Kinds of networks; `wide_recurrent` has recurrent layers of hundreds of units."""

_RECURRENT = ("recurrent", "wide_recurrent")
BFLOAT16_FLAGS = {"amx_bf16", "avx512_bf16"}
"""Flags of CPUs that have instructions for bfloat16."""
_LEAST_SPEEDUP = 1.5
"""Of a product in bfloat16; a step also casts, and does what no product is."""


@dataclasses.dataclass(frozen=True)
class Device:
    """What a model trains on.

    Attributes:
        kind: `"cpu"` or `"gpu"`.
        name: Name to print.
        count: Number of GPUs; 1 for a CPU.
        cpu_flags: Instruction-set flags of the CPU as Linux names them, such as `"amx_bf16"`.
        compute_capability: Of the GPU, such as `(8, 0)`.
    """

    kind: str
    name: str
    count: int = 1
    cpu_flags: frozenset = frozenset()
    compute_capability: tuple = ()


@dataclasses.dataclass(frozen=True)
class ComputePlan:
    """How a model is to be computed.

    Attributes:
        precision: Keras dtype policy; for `"mixed_float16"` Keras has the optimizer scale the loss.
        jit_compile: Whether XLA compiles the training step.
        intra_op_threads: Threads an operation may use; 0 leaves it to TensorFlow.
        reasons: A sentence for each choice.
    """

    precision: str
    jit_compile: bool
    intra_op_threads: int
    reasons: tuple

    def describe(self) -> str:
        """Return the plan and its reasons as lines to print."""
        threads = self.intra_op_threads or "as many as TensorFlow takes"
        choice = f"Precision {self.precision}, XLA {'on' if self.jit_compile else 'off'}, threads {threads}."
        return "\n  - ".join([choice, *self.reasons])

    @contextlib.contextmanager
    def scope(self) -> Iterator[None]:
        """Build layers in the plan's precision inside the `with`; outside all is as before."""
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(self.precision)
        try:
            yield
        finally:
            keras.config.set_dtype_policy(before)


def bfloat16_speedup() -> float:
    """Return how many times as fast as in float32 TensorFlow multiplies matrices in bfloat16.

    It takes 0.1 s where the CPU has instructions for it.
    """
    seconds = {}
    for dtype in ("float32", "bfloat16"):
        # The sizes of a step of `g2p`.
        a, b = tf.ones((256, 640), dtype), tf.ones((640, 2048), dtype)
        taken = []
        for _ in range(10):
            began = time.perf_counter()
            tf.linalg.matmul(a, b)
            taken.append(time.perf_counter() - began)
        seconds[dtype] = min(taken)
    return seconds["float32"] / seconds["bfloat16"]


def choose_compute(
    device: Device,
    family: str,
    precision: str = "auto",
    jit: str = "auto",
    workers: int = 1,
    recorded: str | None = None,
    measure: Callable[[], float] = bfloat16_speedup,
) -> ComputePlan:
    """Return a `ComputePlan`: precision, compilation and threads.

    Args:
        device: A `Device`.
        family: One of `FAMILIES`.
        precision: A Keras dtype policy to use in place of the choice, or `"auto"`.
        jit: `"on"` or `"off"` in place of the choice, or `"auto"`.
        workers: Number of processes that train together.
        recorded: The precision that the run began with, if it is resumed.
        measure: Function that returns the speedup by bfloat16. It is called only where the choice depends on it and the
            number of threads does not: that cannot be set after TensorFlow's first operation.

    Raises:
        ValueError: If there is no such family.
    """
    if family not in FAMILIES:
        raise ValueError(f"`family` must be one of {', '.join(FAMILIES)}. Received: family={family!r}")
    if precision != "auto":
        chosen_precision, precision_reason = precision, f"{precision} by --precision"
    elif recorded:
        chosen_precision, precision_reason = recorded, f"{recorded}, as the run began"
    else:
        chosen_precision, precision_reason = _precision(device, family, workers, measure)
    jit_compile, jit_reason = _jit(device, family)
    if jit != "auto":
        jit_compile, jit_reason = jit == "on", f"XLA {jit} by --jit"
    if workers > 1:
        jit_compile, jit_reason = False, "no XLA: it cannot compile what workers send each other"
    reasons = [precision_reason, jit_reason]
    single_thread = device.kind == "cpu" and family == "recurrent"
    if single_thread:
        reasons.append("one thread per operation: a step of narrow layers is too small to share between cores")
    if chosen_precision == "mixed_float16":
        reasons.append("the loss is scaled, because float16 gradients underflow")
    if device.kind == "gpu":
        reasons.append("GPU memory grows as needed, so that other programs find some")
    return ComputePlan(chosen_precision, jit_compile, 1 if single_thread else 0, tuple(reasons))


def _precision(device, family, workers, measure):
    if device.kind == "gpu":
        generation = "compute capability " + (".".join(map(str, device.compute_capability)) or "unknown")
        if device.compute_capability >= (8, 0):
            return "mixed_bfloat16", f"bfloat16: {generation} has tensor cores for it"
        if device.compute_capability >= (7, 0):
            return "mixed_float16", f"float16: {generation} has tensor cores for it, none for bfloat16"
        return "float32", f"float32: {generation} has no tensor cores"
    if family == "recurrent":
        return "float32", "float32: a narrow recurrent network loses time to bfloat16 casts on a CPU"
    if not device.cpu_flags & BFLOAT16_FLAGS:
        return "float32", "float32: this CPU has no instructions for bfloat16"
    if workers > 1:
        # They must agree before TensorFlow's first operation.
        return "float32", "float32: workers do not measure how fast this CPU multiplies bfloat16"
    speedup = measure()
    reason = f"this CPU multiplies bfloat16 matrices {speedup:.1f} times as fast as float32, measured just now"
    return ("mixed_bfloat16", f"bfloat16: {reason}") if speedup >= _LEAST_SPEEDUP else ("float32", f"float32: {reason}")


def _jit(device, family):
    if device.kind == "cpu":
        return False, "no XLA: on a CPU its convolutions are slower than oneDNN's, and recurrent loops too"
    if family in _RECURRENT:
        return False, "no XLA: it would replace the fused cuDNN kernel of the recurrent layers"
    return True, "XLA: it fuses the element-wise work between the convolutions"


def detect_device() -> Device:
    """Return the `Device` that TensorFlow will train on."""
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        details = tf.config.experimental.get_device_details(gpus[0])
        capability = tuple(details.get("compute_capability", ()))
        return Device("gpu", details.get("device_name", "GPU"), len(gpus), compute_capability=capability)
    name, flags = _read_cpu()
    return Device(kind="cpu", name=name, cpu_flags=flags)


def _read_cpu(cpuinfo=Path("/proc/cpuinfo")):
    """Return name and flags of the CPU; outside Linux no flags, which chooses float32."""
    if not cpuinfo.exists():
        return platform.processor() or platform.machine(), frozenset()
    lines = cpuinfo.read_text().splitlines()
    fields = dict((part.strip() for part in line.split(":", 1)) for line in lines if ":" in line)
    flags = fields.get("flags", fields.get("Features", ""))
    return fields.get("model name", platform.machine()), frozenset(flags.split())


def prepare_process(plan: ComputePlan, seed: int, deterministic: bool) -> None:
    """Set what TensorFlow keeps for the whole process: threads, growth of GPU memory, random seeds, determinism.

    Args:
        plan: A `ComputePlan`. After TensorFlow's first operation threads and growth stay as they are.
        seed: Seed of Python's, NumPy's and TensorFlow's global generators.
        deterministic: Whether operations give the same bits for the same inputs; it cannot be switched off again.
    """
    with contextlib.suppress(RuntimeError):
        if plan.intra_op_threads:
            tf.config.threading.set_intra_op_parallelism_threads(plan.intra_op_threads)
        for gpu in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(gpu, True)
    keras.utils.set_random_seed(seed)
    if deterministic:
        tf.config.experimental.enable_op_determinism()


def strategy(distribute: str, batch_size: int) -> Any:
    """Return the `tf.distribute` strategy for `--distribute`.

    Args:
        distribute: `"mirrored"` for synchronous data parallelism on all local GPUs (without any, CPUs); for anything
            else TensorFlow's default, one device.
        batch_size: Examples per step, over all replicas together.

    Raises:
        UserError: If the replicas cannot share a batch equally.
    """
    if distribute != "mirrored":
        return tf.distribute.get_strategy()
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    mirrored = tf.distribute.MirroredStrategy([device.name for device in devices])
    if batch_size % mirrored.num_replicas_in_sync:
        raise UserError(
            f"--batch-size must be divisible by the {mirrored.num_replicas_in_sync} replicas. Received: {batch_size}"
        )
    return mirrored
