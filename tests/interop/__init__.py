"""The committed models in programs that are not ours: each must answer what the signature answers."""

import pytest

# Here, because every file of the group, whatever imports it, passes through this one.
for program in ("openvino", "tf2onnx", "onnxruntime"):
    pytest.importorskip(program, reason=f"{program} is not installed; `make interop` installs it and runs these tests")
