"""What all figures of this package share."""

import contextlib

from matplotlib.figure import Figure


@contextlib.contextmanager
def new_figure(path, width, height, rows=1, columns=1, **options):
    """Give the axes of a new figure as a list, row by row, and write the figure to the PNG file `path` at the end.

    Width and height are in inches; `options` are more arguments of `Figure.subplots`.
    """
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.subplots(rows, columns, squeeze=False, **options)
    yield figure.axes
    figure.savefig(path, dpi=120)
