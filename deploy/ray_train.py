"""Train a recipe on several machines of a Ray cluster, which start it again when one of them fails.

    python deploy/ray_train.py --workers 4 conv_classifier --workdir /shared/run --export-dir /shared/models

What follows the name of the recipe are options of `python -m keras_refs.train`. The cluster is the one of RAY_ADDRESS
or `--address`, else one on this machine alone. Every machine needs keras_refs, and the folders of the data and the run
at the same path, on shared storage for example: any worker may become the chief, which writes the checkpoints that a
new start goes on with.
"""

import argparse
import os
import tempfile
from pathlib import Path

from keras_refs.errors import UserError


def train(config):
    """Train as one worker, in the process that Ray Train has started and given its `TF_CONFIG`.

    Args:
        config: `arguments`, the name of a recipe and options.

    Raises:
        RuntimeError: If it did not end well.
    """
    from keras_refs.train import main

    # Ray sets it, and `tf.keras` would be Keras 2.
    os.environ.pop("TF_USE_LEGACY_KERAS", None)
    if code := main([*config["arguments"], "--distribute", "workers", "--resume"]):
        raise RuntimeError(f"exit code {code}; the worker's output says why")


def trainer(arguments, workers, resources, failures, storage):
    """Return Ray's trainer.

    Args:
        arguments: Name of a recipe, and options.
        workers: Number of processes.
        resources: What each needs, such as `{"CPU": 2}` or `{"CPU": 4, "GPU": 1}`.
        failures: How many times to start again.
        storage: Folder of Ray's own records, which all machines share.

    Raises:
        UserError: If a worker would get several GPUs.
    """
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.tensorflow import TensorflowTrainer

    gpus = resources.get("GPU", 0)
    if gpus not in (0, 1):
        raise UserError(f"A worker trains on one GPU. Received: {gpus}")
    return TensorflowTrainer(
        train,
        train_loop_config={"arguments": arguments},
        scaling_config=ScalingConfig(num_workers=workers, use_gpu=bool(gpus), resources_per_worker=resources),
        run_config=RunConfig(storage_path=storage, failure_config=FailureConfig(max_failures=failures)),
    )


def main():
    """Parse, connect and train."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--address", help="of the Ray cluster")
    parser.add_argument("--workers", type=int, default=2, help="processes that train together")
    parser.add_argument("--cpus", type=float, default=1, help="CPU cores of each")
    parser.add_argument("--gpus", type=int, default=0, choices=(0, 1), help="GPUs of each")
    parser.add_argument("--failures", type=int, default=10, help="how many times to start again")
    parser.add_argument("--storage", help="folder of Ray's own records; with several machines, one that they share")
    parser.add_argument("recipe", help="name of a recipe")
    parser.add_argument("options", nargs=argparse.REMAINDER, help="options of python -m keras_refs.train")
    parsed = parser.parse_args()
    import ray

    ray.init(address=parsed.address)
    resources = {"CPU": parsed.cpus, **({"GPU": 1} if parsed.gpus else {})}
    with tempfile.TemporaryDirectory() as temporary:
        storage = str(Path(parsed.storage or temporary).absolute())
        trainer([parsed.recipe, *parsed.options], parsed.workers, resources, parsed.failures, storage).fit()


if __name__ == "__main__":
    main()
