"""What the README claims is what `results/` and the package say."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import pages
from tests.conftest import REPOSITORY

TEXT = pages.README.read_text(encoding="utf-8")
TRANSLATION = REPOSITORY / "README.zh-CN.md"


def test_figures_come_from_the_results():
    check = [sys.executable, str(REPOSITORY / "benchmarks" / "readme.py"), "--check"]
    assert subprocess.run(check, check=False).returncode == 0, "run `python benchmarks/readme.py`"


def test_check_notices_a_changed_figure(tmp_path):
    for name in ("benchmarks", "results"):
        shutil.copytree(REPOSITORY / name, tmp_path / name)
    shutil.copy(TRANSLATION, tmp_path)
    (tmp_path / "README.md").write_text(re.sub(r"\| 121,930 \|", "| 121,931 |", TEXT), encoding="utf-8")
    check = [sys.executable, str(tmp_path / "benchmarks" / "readme.py"), "--check"]
    assert subprocess.run(check, check=False).returncode == 1


def test_links_lead_somewhere():
    prose = re.sub(r"```.*?```", "", TEXT, flags=re.S)
    targets = [target for target in re.findall(r"\]\(([^)#]+)\)", prose) if not target.startswith("http")]
    assert len(targets) >= 2
    assert [target for target in targets if not (REPOSITORY / target).exists()] == []


@pytest.mark.parametrize("block", pages.python_blocks(pages.README))
def test_python_blocks_run(block, monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    names = {}
    exec(compile(block, "README.md", "exec"), names)
    assert "model" in names


def test_translation_has_the_same_commands_table_links_and_names():
    translated = TRANSLATION.read_text(encoding="utf-8")
    assert pages.blocks(TRANSLATION) == pages.blocks(pages.README)

    def of_models(text):
        return re.search("<!-- models:.*<!-- end of models -->", text, re.S)[0]

    def named(text):
        prose = re.sub(r"```.*?```", "", text, flags=re.S)
        links = set(re.findall(r"\]\(([^)#]+)\)", prose)) - {"README.md", "README.zh-CN.md"}
        return links | set(re.findall(r"`[^`\n]+`", prose))

    assert of_models(translated) == of_models(TEXT)
    assert named(translated) == named(TEXT)


def test_names_every_recipe_and_every_builder():
    from keras_refs import list_models, recipes

    assert [name for name in {*recipes.NAMES, *list_models()} if f"`{name}`" not in TEXT] == []


def test_layout_names_every_room():
    rooms = {path.name for path in Path(REPOSITORY / "keras_refs").iterdir() if (path / "__init__.py").exists()}
    assert rooms == set(re.findall(r"`keras_refs/(\w+)/`", TEXT))
