"""Execute the notebooks and store what they answer: `python -m tests.notebooks.execution`."""

import hashlib
import sys
import tempfile
from pathlib import Path

# Where there is no font cache yet it is made here, and not in a cell, which would say so.
import matplotlib.font_manager  # noqa: F401
import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient

from tests.conftest import REPOSITORY, USERS_ENVIRONMENT

FOLDER = REPOSITORY / "notebooks"


def read(name):
    """Return a notebook by the name of its file."""
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def code_cells(notebook):
    """Return the cells that are executed."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def digest(notebook):
    """Return a hash of all the code, which tells whether outputs are of this code or of an earlier one."""
    sources = "\0".join(cell.source for cell in code_cells(notebook))
    return hashlib.sha256(sources.encode()).hexdigest()


def execute(notebook, folder):
    """Execute a notebook in place, from a clean kernel of the running interpreter, in an empty folder.

    Whatever kernels and settings of IPython and Jupyter the user has, they are not used.

    Args:
        notebook: What `read` returns.
        folder: An empty folder. The notebook runs in `work` in it, and has `temporary` for temporary files.

    Raises:
        nbclient.exceptions.CellExecutionError: If a cell raises.
    """
    work, temporary, settings = (folder / name for name in ("work", "temporary", "settings"))
    for path in (work, temporary, settings):
        path.mkdir()
    environment = USERS_ENVIRONMENT | {"TMPDIR": str(temporary), "IPYTHONDIR": str(settings)}
    # Under a test ipykernel does not collect what is written past Python.
    environment.pop("PYTEST_CURRENT_TEST", None)
    manager = KernelManager(
        # With no folders to look for kernels in, only that of this interpreter is left.
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
