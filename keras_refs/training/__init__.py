"""How a network learns: precision and compilation for the device, the fit, checkpoints, resume."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "adversarial": ["AdversarialModel"],
        "checkpoints": ["Checkpoints", "History"],
        "compute": ["ComputePlan", "Device", "choose_compute", "detect_device", "prepare_process", "strategy"],
        "loop": ["adam", "fit", "steps_per_execution"],
        "interruption": ["Interrupted"],
        "workers": ["Workers", "join"],
        "run": ["Run", "check_workdir", "finished", "limits_on"],
    },
)
