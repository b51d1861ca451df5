"""Data parallelism on several machines: what every worker computes alone, and what they average in each step.

Each worker trains the whole model with Keras's own `fit` on its part of every batch; `fit` under TensorFlow's strategy
for several machines fails (keras issue 20585). Gradients are averaged by that strategy's collectives before the
optimizer gets them, so that clipping, the scale of the loss and the EMA of the weights are as in one process.
"""

import os
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from keras_refs import settings
from keras_refs.datasets import Shard
from keras_refs.errors import UserError
from keras_refs.training import peers
from keras_refs.training.environment import data_checksum, environment
from keras_refs.training.tf_config import read_tf_config

_joined: dict[str, peers.Peers] = {}


def join(name: str, config: Any) -> peers.Peers:
    """Return the `peers.Peers` of this process: for `--distribute workers` those of `TF_CONFIG`, else itself alone.

    A process joins once; later calls return the same.

    Args:
        name: Name of the recipe.
        config: Its `Config`.

    Raises:
        UserError: If `TF_CONFIG` is wrong, a worker cannot be reached or has other settings, versions or data.
    """
    if config.compute.distribute != "workers":
        return peers.ALONE
    if not _joined:
        task, runs_on = read_tf_config(os.environ.get("TF_CONFIG")), environment()
        facts = {"the recipe": name, **settings.flatten(config), "the checksum of the data": data_checksum(config)}
        facts |= {f"the version of {package}": version for package, version in runs_on["versions"].items()}
        facts["the git revision"] = runs_on["git_revision"]
        others = len(task.addresses) - 1
        print(f"Worker {task.index} waits up to {peers.CONNECT_SECONDS} s for {others} others.", flush=True)
        _joined["peers"] = peers.Peers(task, facts)
    return _joined["peers"]


class Workers:
    """The workers that train together, of which this process is one; or this process alone.

    It has to be made before TensorFlow's first operation, and once in a process.

    Args:
        connected: The `peers.Peers` of this worker.
        devices: Number of GPUs of this worker, 1 if it has none.

    Attributes:
        peers: These.
        shard: The `datasets.Shard` of every batch that this worker trains on.

    Raises:
        UserError: If it has several GPUs.
    """

    def __init__(self, connected: peers.Peers = peers.ALONE, devices: int = 1):
        if connected.count > 1 and devices > 1:
            raise UserError(
                f"A worker trains on one GPU. Received: {devices} GPUs. Start a worker for each, with another "
                "CUDA_VISIBLE_DEVICES."
            )
        self.peers, self.shard = connected, Shard(connected.index, connected.count)
        if self.are_several:
            self._strategy = _strategy(connected.task)
            # Whether a worker was asked to stop travels with the gradients, so that all learn of it in the same step.
            self._asked, self._all_asked = tf.Variable(0.0), tf.Variable(0.0)

    @property
    def are_several(self) -> bool:
        """Whether there are other workers."""
        return self.peers.count > 1

    @property
    def is_chief(self) -> bool:
        """Whether this worker is the one that writes."""
        return self.peers.is_chief

    def average_gradients(self, model: keras.Model, optimizers: Sequence[keras.Optimizer]) -> None:
        """Have the optimizers of a model apply the mean of all workers' gradients.

        With those of the first, used once a step, the moving statistics of batch normalization are averaged, too.
        """
        if not self.are_several:
            return
        first, *others = optimizers
        _replace_apply(first, lambda gradients: self._mean_of_step(gradients, _moving_statistics(model)))
        for optimizer in others:
            _replace_apply(optimizer, self._mean)

    def asked_to_stop(self, received: Sequence[int]) -> bool:
        """Return whether any worker was asked to stop before the last step, the same on all of them.

        Args:
            received: The signals that this worker has received.
        """
        if not self.are_several:
            return bool(received)
        if received:
            self._asked.assign(1.0)
        return bool(self._all_asked.numpy())

    def share(self, variables: Sequence[tf.Variable], model: keras.Model) -> None:
        """Give every worker the chief's values of variables; then random masks differ between workers."""
        if not self.are_several:
            return
        values = [variable if self.is_chief else tf.zeros_like(variable) for variable in variables]
        for variable, value in zip(variables, tf.function(self._sum)(values), strict=True):
            variable.assign(value)
        for state in _layers_random_states(model):
            # The chief, whose states are saved, draws what one process would.
            state.assign(state + tf.cast(tf.constant([self.peers.index, 0]), state.dtype))

    def _mean_of_step(self, gradients, statistics):
        *means, asked = self._mean([*gradients, *statistics, self._asked])
        for variable, mean in zip(statistics, means[len(gradients) :], strict=True):
            variable.assign(mean)
        self._all_asked.assign(asked)
        return means[: len(gradients)]

    def _mean(self, tensors):
        """Return the means over all workers, in a graph; what is `None`, a gradient of nothing, stays so."""
        there = [tensor for tensor in tensors if tensor is not None]
        means = iter(self._sum([_divided(tensor, self.peers.count) for tensor in there]))
        return [None if tensor is None else next(means) for tensor in tensors]

    def _sum(self, tensors):
        """Return the sums over all workers; those of one type go together, and each of sparse rows alone."""
        by_type = {}
        for number, tensor in enumerate(tensors):
            sparse = isinstance(tensor, tf.IndexedSlices)
            by_type.setdefault(number if sparse else tensor.dtype, []).append(number)
        sums = [None] * len(tensors)
        for numbers in by_type.values():
            for number, total in zip(numbers, self._sum_of_type([tensors[number] for number in numbers]), strict=True):
                sums[number] = total
        return sums

    def _sum_of_type(self, tensors):
        def add(tensors):
            # The identity puts them on the worker's device, which the strategy has to know.
            tensors = [tf.identity(tensor) for tensor in tensors]
            return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, tensors)

        return self._strategy.run(add, (tensors,))


def _strategy(task):
    """Return TensorFlow's strategy, which starts its server; the chief is its worker 0."""
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({"worker": list(task.addresses)}), task_type="worker", task_id=task.index, rpc_layer="grpc"
    )
    return tf.distribute.MultiWorkerMirroredStrategy(resolver)


def _divided(tensor, count):
    """Return a tensor, or the sparse rows of an embedding's gradient, divided by a number."""
    if isinstance(tensor, tf.IndexedSlices):
        # Clipping depends on them: their norm is that of the rows of all examples, before those of one token are added.
        return tf.IndexedSlices(tensor.values / count, tensor.indices, tensor.dense_shape)
    return tf.convert_to_tensor(tensor) / count


def _replace_apply(optimizer, average):
    apply = optimizer.apply

    def apply_average(gradients, trainable_variables=None):
        return apply(average(list(gradients)), trainable_variables)

    optimizer.apply = apply_average


def _layers(model):
    """Return all layers of a model, those of its models included."""
    return [inner for layer in model.layers for inner in ([layer] if not hasattr(layer, "layers") else _layers(layer))]


def _moving_statistics(model):
    """Return the variables of batch normalization that every worker computes of its own examples."""
    normalizations = [layer for layer in _layers(model) if isinstance(layer, keras.layers.BatchNormalization)]
    return [
        variable.value
        for layer in normalizations
        if layer.trainable
        for variable in (layer.moving_mean, layer.moving_variance)
    ]


def _layers_random_states(model):
    """Return the states of the generators that layers such as dropout draw from, each once."""
    metrics = {id(variable) for metric in model.metrics for variable in metric.variables}
    states = {}
    for layer in _layers(model):
        known = {id(variable) for variable in layer.weights} | metrics
        states |= {id(variable): variable.value for variable in layer.variables if id(variable) not in known}
    return list(states.values())
