"""What a benchmark writes down of the machine it ran on."""

import os

from keras_refs import training


def hardware():
    """Return the name of the device, and how many cores this process may use."""
    return {"device": training.detect_device().name, "cores": len(os.sched_getaffinity(0))}
