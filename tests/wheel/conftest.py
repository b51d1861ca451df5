import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY, USERS_ENVIRONMENT

# A checkout that stands there would come before what is installed.
ENVIRONMENT = {name: value for name, value in USERS_ENVIRONMENT.items() if name != "PYTHONPATH"}


@pytest.fixture(scope="session")
def distributions():
    """The sdist, and the wheel that is built from it; paths by suffix."""
    with tempfile.TemporaryDirectory() as folder:
        build = [sys.executable, "-m", "build", "--outdir", folder, str(REPOSITORY)]
        subprocess.run(build, check=True, stdout=subprocess.DEVNULL)
        yield {path.suffix: path for path in Path(folder).iterdir()}


@pytest.fixture(scope="session")
def python(distributions):
    """The interpreter of an environment that has the wheel with the extra `serve`, and nothing else."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        interpreter = str(Path(folder) / "bin" / "python")
        install = [interpreter, "-m", "pip", "install", "--quiet", "--no-compile", f"{distributions['.whl']}[serve]"]
        constraints = {"PIP_CONSTRAINT": str(REPOSITORY / "constraints.txt")}
        subprocess.run(install, check=True, cwd=folder, env={**os.environ, **constraints})
        yield interpreter


@pytest.fixture
def run(python, tmp_path):
    """Run the installed Python with these arguments in an empty folder, and return what it prints."""

    def run(*arguments):
        finished = subprocess.run(
            [python, *arguments], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True, check=False
        )
        assert finished.returncode == 0, finished.stderr
        return finished.stdout

    return run
