import keras
import pytest
import tensorflow as tf

from keras_refs import training
from keras_refs.errors import UserError
from keras_refs.training.compute import Device, _read_cpu, bfloat16_speedup, choose_compute

AMX = Device("cpu", "with AMX", cpu_flags=frozenset({"avx512f", "amx_bf16"}))
AVX = Device("cpu", "with AVX-512", cpu_flags=frozenset({"avx2", "avx512_bf16"}))
OLD = Device("cpu", "without bfloat16", cpu_flags=frozenset({"avx2"}))
PASCAL, TURING, AMPERE, HOPPER = (
    Device("gpu", f"capability {capability}", compute_capability=capability)
    for capability in ((6, 1), (7, 5), (8, 0), (9, 0))
)


def not_to_measure():
    raise AssertionError("There is nothing to measure.")


@pytest.mark.parametrize("device", [AMX, AVX])
@pytest.mark.parametrize("family", ["convolutional", "dense", "wide_recurrent"])
@pytest.mark.parametrize(("speedup", "precision"), [(0.6, "float32"), (1.4, "float32"), (1.6, "mixed_bfloat16")])
def test_a_cpu_computes_in_bfloat16_where_that_is_measured_to_be_faster(device, family, speedup, precision):
    plan = choose_compute(device, family, measure=lambda: speedup)
    assert (plan.precision, plan.jit_compile, plan.intra_op_threads) == (precision, False, 0)
    assert f"bfloat16 matrices {speedup} times as fast as float32" in plan.describe()


def test_the_speedup_is_the_time_in_float32_over_that_in_bfloat16(monkeypatch):
    clock = [0.0]

    def matmul(a, b):
        assert a.shape[1] == b.shape[0] and a.dtype == b.dtype
        clock[0] += {"float32": 3.0, "bfloat16": 1.0}[a.dtype.name]

    monkeypatch.setattr("tensorflow.linalg.matmul", matmul)
    monkeypatch.setattr("time.perf_counter", lambda: clock[0])
    assert bfloat16_speedup() == 3


@pytest.mark.parametrize("device", [AMX, AVX])
def test_several_workers_do_not_measure(device):
    plan = choose_compute(device, "dense", workers=2, measure=not_to_measure)
    assert plan.precision == "float32"
    assert "workers do not measure" in plan.describe()


def test_a_resumed_run_keeps_its_precision():
    plan = choose_compute(AMX, "dense", recorded="mixed_bfloat16", measure=not_to_measure)
    assert plan.precision == "mixed_bfloat16"
    assert "mixed_bfloat16, as the run began" in plan.describe()


@pytest.mark.parametrize(
    ("device", "family", "precision", "jit", "threads"),
    [
        (OLD, "convolutional", "float32", False, 0),
        (AMX, "recurrent", "float32", False, 1),
        (AVX, "recurrent", "float32", False, 1),
        (OLD, "wide_recurrent", "float32", False, 0),
        (PASCAL, "convolutional", "float32", True, 0),
        (TURING, "convolutional", "mixed_float16", True, 0),
        (AMPERE, "convolutional", "mixed_bfloat16", True, 0),
        (HOPPER, "convolutional", "mixed_bfloat16", True, 0),
        (TURING, "recurrent", "mixed_float16", False, 0),
        (HOPPER, "recurrent", "mixed_bfloat16", False, 0),
    ],
)
def test_choice(device, family, precision, jit, threads):
    plan = choose_compute(device, family, measure=not_to_measure)
    assert (plan.precision, plan.jit_compile) == (precision, jit)
    assert plan.intra_op_threads == threads
    assert ("GPU memory grows" in plan.describe()) == (device.kind == "gpu")
    assert ("loss is scaled" in plan.describe()) == (precision == "mixed_float16")


def test_another_family_is_refused():
    with pytest.raises(ValueError, match="`family` must be one of convolutional, .* Received: family='anything'"):
        choose_compute(AMX, "anything")


def test_flags_override_the_choice_and_the_reason_says_so():
    plan = choose_compute(AMX, "convolutional", precision="float32", jit="on", measure=not_to_measure)
    assert (plan.precision, plan.jit_compile) == ("float32", True)
    assert "float32 by --precision" in plan.describe()
    assert "XLA on by --jit" in plan.describe()


def test_float16_gets_loss_scaling():
    """Keras adds it in `compile` by the model's policy: the reason why the plan has no field for it."""
    with choose_compute(TURING, "convolutional").scope():
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        model.compile("adam", "mse")
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    assert keras.config.dtype_policy().name == "float32"


def test_reads_the_cpu(tmp_path):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor : 0\nmodel name\t: Fast One\nflags\t\t: fpu amx_bf16\n\nprocessor : 1\n")
    assert _read_cpu(cpuinfo) == ("Fast One", {"fpu", "amx_bf16"})
    assert _read_cpu(tmp_path / "none")[1] == frozenset()


def test_detects_this_machine():
    assert training.detect_device().kind == "cpu"


def test_replicas_must_share_the_batch(monkeypatch):
    monkeypatch.setattr(tf.distribute.MirroredStrategy, "num_replicas_in_sync", 2)
    with pytest.raises(UserError, match="--batch-size must be divisible by the 2 replicas. Received: 33"):
        training.strategy("mirrored", 33)
