"""The application on a Ray cluster of this machine alone, which is started for the tests and stopped after them."""

import os
import secrets

import pytest

# Before anything imports Ray: to tell nobody, to stay on the loopback device, and to leave no token in the home folder.
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
os.environ["RAY_AUTH_MODE"] = "token"
os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
# Ray takes a proxy that was not ready after five seconds for a broken one, which on a busy machine it is not.
os.environ["RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S"] = "60"

# Here, because every file of the group, whatever imports it, passes through this one.
pytest.importorskip("ray", reason="Ray is not installed; `make cluster` installs it and runs these tests")
