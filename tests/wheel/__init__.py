"""The distributions, and what the wheel does in an environment of its own, outside the repository."""

import pytest

# Here, because every import of a file of the group imports this one first.
pytest.importorskip("build", reason="build is not installed; `make wheel` installs it and runs these tests")
