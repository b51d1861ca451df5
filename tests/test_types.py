import ast
from pathlib import Path

import pytest

import keras_refs

PACKAGE = Path(keras_refs.__file__).parent
FILES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))


def public_functions(node):
    for child in node.body:
        if isinstance(child, ast.ClassDef) and not child.name.startswith("_"):
            yield from public_functions(child)
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef)) and not child.name.startswith("_"):
            yield child


@pytest.mark.parametrize("path", FILES, ids=str)
def test_public_functions_are_annotated(path):
    for function in public_functions(ast.parse((PACKAGE / path).read_text())):
        arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
        bare = [item.arg for item in arguments if item.annotation is None and item.arg not in ("self", "cls", "_")]
        assert not bare, f"{path}: {function.name}"
        assert function.returns is not None, f"{path}: {function.name}"
