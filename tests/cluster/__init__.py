"""The application on a Ray cluster of this machine alone, which is started for the tests and stopped after them."""

import os
import secrets

import pytest

# Before anything imports Ray: no usage statistics, only the loopback device, and no token in the home folder.
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
os.environ["RAY_AUTH_MODE"] = "token"
os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
# Ray restarts a proxy that is not ready after five seconds, which is too short on a busy machine.
os.environ["RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S"] = "60"

# Here, because every import of a file of the group imports this one first.
pytest.importorskip("ray", reason="Ray is not installed; `make cluster` installs it and runs these tests")
