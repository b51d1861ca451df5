"""The builders against the same networks in PyTorch: same weights in, same outputs and gradients out."""

import pytest

# Here, because every file of the group, whatever imports it, passes through this one.
pytest.importorskip("torch", reason="PyTorch is not installed; `make parity` installs it and runs these tests")
