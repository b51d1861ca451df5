"""What benchmarks write down: the machine that they ran on, and their figures."""

import os

from keras_refs import storage, training


def hardware():
    """Return the name of the device, and how many cores this process may use."""
    return {"device": training.detect_device().name, "cores": len(os.sched_getaffinity(0))}


def where(measured):
    """Return the sentence that says on what figures with an entry for `device` and `cores` were measured."""
    return f"Measured on {cores([measured['cores']])} of {measured['device']}"


def cores(numbers):
    """Return numbers of cores as text."""
    return f"{' or '.join(map(str, numbers))} core{'s' if numbers[-1] > 1 else ''}"


def report(figures, output):
    """Print figures by name and, if there is a path to write to, write them as JSON."""
    for name, value in figures.items():
        print(f"{name}: {value}")
    if output:
        storage.write_json(output, figures)
