"""The page on the listings names builders and tests that exist."""

import ast
import re

import keras_refs
from tests.conftest import REPOSITORY

PAGE = (REPOSITORY / "docs" / "listings.md").read_text(encoding="utf-8")
ROWS = [re.split(r" ?\| ?", line)[1:-1] for line in PAGE.splitlines() if re.match(r"\| [A-E]\d ", line)]


def test_every_listing_has_its_row():
    expected = [*(f"A{n}" for n in range(1, 6)), "B1", *(f"C{n}" for n in range(1, 5))]
    expected += [*(f"D{n}" for n in range(1, 6)), *(f"E{n}" for n in range(1, 4))]
    assert [row[0] for row in ROWS] == expected
    assert all(len(row) == 6 for row in ROWS)


def test_every_row_names_a_test_that_exists():
    for *_, test in ROWS:
        path, name = test.strip("`").split("::")
        functions = [
            node.name for node in ast.walk(ast.parse((REPOSITORY / path).read_text())) if hasattr(node, "name")
        ]
        assert name in functions, test


def test_every_row_names_a_builder_that_exists():
    builders = set(keras_refs.list_models())
    for listing, *_, here, _ in ROWS:
        named = set(re.findall(r"`([a-z_0-9]+)", here)) & builders
        assert named, listing


def test_every_builder_repairs_a_listing():
    named = {name for row in ROWS for name in re.findall(r"`([a-z_0-9]+)", row[4])}
    missing = set(keras_refs.list_models()) - named
    # The LSTM's regressor is C2 and A4 in one.
    assert missing == {"lstm_regressor"}


def test_the_readme_leads_here():
    assert "docs/listings.md" in (REPOSITORY / "README.md").read_text(encoding="utf-8")
