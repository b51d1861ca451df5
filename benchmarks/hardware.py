"""What a benchmark writes down of the machine it ran on."""

import os

from keras_refs import training


def hardware():
    """Return the name of the device, and how many cores this process may use."""
    return {"device": training.detect_device().name, "cores": len(os.sched_getaffinity(0))}


def where(measured):
    """Return the sentence that says on what figures with an entry for `device` and `cores` were measured."""
    return f"Measured on {cores([measured['cores']])} of {measured['device']}"


def cores(numbers):
    """Return numbers of cores as text."""
    return f"{' or '.join(map(str, numbers))} core{'s' if numbers[-1] > 1 else ''}"
