"""The environment variable `TF_CONFIG`, in which launchers such as Kubeflow name the workers of a training."""

import json
import re
from typing import NamedTuple

from keras_refs.errors import UserError

_EXAMPLE = '{"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": {"type": "worker", "index": 0}}'


class Task(NamedTuple):
    """The address `host:port` of every worker, the chief's first, and the number of this one."""

    addresses: tuple[str, ...]
    index: int

    def name(self, index: int) -> str:
        """Return what to call a worker in a message."""
        return f"{'the chief' if index == 0 else f'worker {index}'} ({self.addresses[index]})"


def read_tf_config(text: str | None) -> Task:
    """Return the `Task` that a value of `TF_CONFIG` describes.

    Raises:
        UserError: If it is missing or does not describe one.
    """
    if not text:
        raise UserError(f"--distribute workers needs the environment variable TF_CONFIG, such as {_EXAMPLE}")
    try:
        content = json.loads(text)
        cluster, (kind, index) = content["cluster"], (content["task"][key] for key in ("type", "index"))
        # TensorFlow's order. Some launchers write the index as a string.
        jobs, index = {name: list(cluster[name]) for name in ("chief", "worker") if name in cluster}, int(index)
        if unknown := {*cluster} - {"chief", "worker", "evaluator"}:
            raise UserError(
                f"TF_CONFIG must have the jobs chief and worker alone. Received: {', '.join(sorted(unknown))}"
            )
        if kind not in jobs or not 0 <= index < len(jobs[kind]):
            raise UserError(f"TF_CONFIG's task must be one of its chief and workers. Received: {kind} {index}")
        addresses = tuple(address for job in jobs.values() for address in job)
        wrong = [address for address in addresses if not re.fullmatch(r".+:\d{1,5}", address)]
        if wrong or len(set(addresses)) < len(addresses):
            told = wrong[0] if wrong else "one of them twice"
            raise UserError(f"TF_CONFIG must have addresses host:port, each once. Received: {told}")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"TF_CONFIG must be such as {_EXAMPLE}. Received: {text}") from error
    return Task(addresses, index + (len(jobs["chief"]) if kind == "worker" and "chief" in jobs else 0))
