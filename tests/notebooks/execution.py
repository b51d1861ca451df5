"""Execute the notebooks and store their outputs: `python -m tests.notebooks.execution`."""

import hashlib
import sys
import tempfile
from pathlib import Path

# Creates the font cache if there is none: in a cell, matplotlib would print that it does.
import matplotlib.font_manager  # noqa: F401
import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient

from tests.conftest import REPOSITORY, USERS_ENVIRONMENT

FOLDER = REPOSITORY / "notebooks"


def read(name):
    """Return a notebook by the stem of its file name."""
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def code_cells(notebook):
    """Return the cells that are executed."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def digest(notebook):
    """Return a hash of all code cells: outputs stored with another one are out of date."""
    sources = "\0".join(cell.source for cell in code_cells(notebook))
    return hashlib.sha256(sources.encode()).hexdigest()


def execute(notebook, folder):
    """Execute a notebook in place, from a clean kernel of the running interpreter, in an empty folder.

    The user's kernels and settings of IPython and Jupyter are not used.

    Args:
        notebook: What `read` returns.
        folder: An empty folder. The notebook runs in its `work`, with `temporary` for temporary files.

    Raises:
        nbclient.exceptions.CellExecutionError: If a cell raises.
    """
    work, temporary, settings = (folder / name for name in ("work", "temporary", "settings"))
    for path in (work, temporary, settings):
        path.mkdir()
    environment = USERS_ENVIRONMENT | {"TMPDIR": str(temporary), "IPYTHONDIR": str(settings)}
    # With this variable set, ipykernel does not capture what is written past Python.
    environment.pop("PYTEST_CURRENT_TEST", None)
    manager = KernelManager(
        # Without folders of kernels, that of this interpreter is the only one.
        kernel_spec_manager=KernelSpecManager(kernel_dirs=[]),
        connection_file=str(settings / "kernel.json"),
    )
    resources = {"metadata": {"path": str(work)}}
    client = NotebookClient(
        notebook, km=manager, timeout=600, record_timing=False, coalesce_streams=True, resources=resources
    )
    try:
        client.execute(env=environment)
    finally:
        if manager.has_kernel:
            manager.shutdown_kernel(now=True)


def main(names):
    """Execute the notebooks of these names, all by default, and store them with their outputs."""
    for name in names or sorted(path.stem for path in FOLDER.glob("*.ipynb")):
        notebook = read(name)
        with tempfile.TemporaryDirectory() as folder:
            execute(notebook, Path(folder))
        notebook.metadata = {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
            "executed": digest(notebook),
        }
        nbformat.write(notebook, FOLDER / f"{name}.ipynb")
        print(f"{name}: {(FOLDER / f'{name}.ipynb').stat().st_size:,} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
