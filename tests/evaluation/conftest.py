import types

import pytest
from matplotlib.figure import Figure


@pytest.fixture
def figures(monkeypatch, tmp_path):
    """The figures that a test saves, which are PNG files, and stay open for a look at what they show."""
    saved = []
    save = Figure.savefig

    def savefig(self, path, **arguments):
        save(self, path, **arguments)
        assert path.read_bytes().startswith(b"\x89PNG")
        saved.append(self)

    monkeypatch.setattr(Figure, "savefig", savefig)
    return saved


@pytest.fixture
def history():
    """Make what figures need of a `training.History` from rows of metrics, a row for each epoch."""

    def build(monitor, best, rows):
        epochs = [{"epoch": number, **row} for number, row in enumerate(rows, start=1)]
        return types.SimpleNamespace(epochs=epochs, monitor=monitor, best_epoch=lambda: best)

    return build


@pytest.fixture
def texts():
    """Return the texts of what has several: tick labels, legend entries, annotations."""
    return lambda items: [item.get_text() for item in items]
