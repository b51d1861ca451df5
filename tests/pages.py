"""The code blocks of the Markdown pages, and how they are tried."""

import importlib
import re
import shlex

import tyro

from keras_refs import recipes, serve, train
from tests.conftest import REPOSITORY

README = REPOSITORY / "README.md"
GUIDES = [REPOSITORY / "docs" / "index.md", *sorted((REPOSITORY / "docs" / "guides").glob("*.md"))]
PAGES = [README, REPOSITORY / "CONTRIBUTING.md", *GUIDES]


def blocks(page):
    """Return language and text of a page's code blocks, in order."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.M | re.S)


def python_blocks(page):
    return [text for language, text in blocks(page) if language == "python"]


def shell_lines(page, beginning):
    """Return the lines of the `sh` blocks that begin so, each once."""
    shell = "".join(text for language, text in blocks(page) if language == "sh")
    return sorted({line for line in joined(shell) if line.startswith(beginning)})


def joined(shell):
    """Return the lines of a block, where a backslash joins them."""
    return re.sub(r"\\\n\s*", "", shell).splitlines()


def command(line):
    """Return a command of this package as its module and its options; `None` for any other line."""
    beginning = "python -m keras_refs."
    return shlex.split(line.removeprefix(beginning), comments=True) if line.startswith(beginning) else None


def check_is_accepted(module, *options):
    """Have a command's own parser read its options; the data that they name need not be here."""
    options = [option for option in options if option != "--help"]
    if options == ["--list"]:
        assert train.main(options) == 0
    elif module == "train":
        name, *options = options
        config, _ = train._parse(recipes.load(name), name, options)
        assert config.training.epochs >= 1
    elif module == "serve":
        assert str(serve._parse(options).root) == options[0]
    else:
        model, *_ = tyro.cli(importlib.import_module(f"keras_refs.{module}")._prepare, args=options)
        if options and not options[0].startswith("--"):
            assert str(model) == options[0]
