"""How the documentation is built: `sphinx-build -W docs docs/_build/html`."""

import importlib.metadata
import os
import re

# Autodoc imports the package, and with it TensorFlow, whose start-up messages are no part of a build.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

project = "keras_refs"
project_copyright = "the keras_refs authors. Apache License 2.0"
release = importlib.metadata.version("keras_refs")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
exclude_patterns = ["_build"]
# Options begin with two hyphens, which are to stay two.
smartquotes = False
# Docstrings quote code as Markdown does, in single backquotes.
default_role = "code"

html_theme = "furo"
html_title = f"keras_refs {release}"
html_show_sourcelink = False

autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints = "none"
python_maximum_signature_line_length = 100
napoleon_numpy_docstring = False
# Else what is described in the class and at its place is described twice, which Sphinx warns of.
napoleon_use_ivar = True
# Else what stands before the colon in "A dictionary: ..." is taken away, for a type.
napoleon_use_rtype = False


def setup(app):
    """Have docstrings read before Napoleon does."""
    app.connect("autodoc-process-docstring", _read_as_markdown, priority=400)


def _read_as_markdown(_app, what, _name, _object, _options, lines):
    """Say in reStructuredText what docstrings mean: indented commands and formulas are literal, `|` is a bar."""
    read, text_before, literal = [], "", False
    for number, line in enumerate(lines):
        indented = line.startswith("    ")
        if indented and number and not lines[number - 1] and text_before and not text_before.startswith((" ", "- ")):
            literal = True
            read += ["::", ""]
        literal = literal and (indented or not line)
        read.append(line if literal else re.sub(r"(`[^`]*`)|\|", lambda found: found[1] or r"\|", line))
        text_before = line or text_before
    # In the first line of an attribute's docstring, too: an empty comment goes before it.
    lines[:] = ["..", "", *read] if what in ("attribute", "data", "property") else read
