"""List the files of this package that a training runs through: what a reader opens to follow it.

    python benchmarks/trace.py conv_classifier --epochs 1 --train-split 'train[:2%]' --test-split 'test[:2%]'

A file counts if one of its functions is called. The command line itself, the builder of the network and the lists of
names in `__init__.py` do not count.
"""

import sys
import tempfile
import threading
from pathlib import Path

import keras_refs
from keras_refs import commands, train

PACKAGE = Path(keras_refs.__file__).parent
NOT_COUNTED = ("train.py", "commands.py", "models/")


def files_called(function, *arguments):
    """Call a function and return the files of the package in which a function was called, in order."""
    called = {}

    def note(frame, event, _argument):
        if event == "call" and frame.f_code.co_name != "<module>" and frame.f_code.co_filename.startswith(str(PACKAGE)):
            called.setdefault(frame.f_code.co_filename)

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        function(*arguments)
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    names = [Path(name).relative_to(PACKAGE).as_posix() for name in called]
    return [name for name in names if not name.startswith(NOT_COUNTED) and not name.endswith("__init__.py")]


def main():
    """Train as the command line says, in a temporary folder, and print the files with their numbers of lines."""
    commands.import_tensorflow_quietly()
    with tempfile.TemporaryDirectory() as folder:
        where = ["--workdir", f"{folder}/run", "--export-dir", f"{folder}/models"]
        files = files_called(train.main, [*sys.argv[1:], *where])
    lines = {name: len((PACKAGE / name).read_text(encoding="utf-8").splitlines()) for name in files}
    for name, count in lines.items():
        print(f"{count:5d}  {name}")
    print(f"{sum(lines.values()):5d}  lines in {len(lines)} files")


if __name__ == "__main__":
    main()
