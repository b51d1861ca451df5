"""Every guide does what it says, from its first block to its last, and every page's commands are accepted."""

import re
import runpy
import subprocess
import sys

import pytest

from tests import pages
from tests.conftest import REPOSITORY

DOCS = REPOSITORY / "docs"


def program(page):
    """Return a page's Python blocks as one program, with the commands on data that the page has made in their place.

    Any other command would train on a whole data set, or serve without end.
    """
    parts = []
    for language, text in pages.blocks(page):
        if language == "python":
            parts.append(text)
        for line in pages.joined(text) if language == "sh" else []:
            found = pages.command(line)
            if found and {"--data", "--data-dir"} & set(found):
                module, *options = found
                parts.append(f"from keras_refs import {module}\nassert {module}.main({options!r}) == 0\n")
    return "\n".join(parts)


@pytest.mark.parametrize("guide", pages.GUIDES, ids=lambda page: page.stem)
def test_guide_runs_in_an_empty_folder(guide, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    script = tmp_path / "guide.py"
    script.write_text(program(guide), encoding="utf-8")
    if "set_logical_device_configuration" in script.read_text(encoding="utf-8"):
        # Devices are set once in a process.
        subprocess.run([sys.executable, str(script)], check=True)
    else:
        runpy.run_path(str(script), run_name="__main__")


def test_commands_on_data_of_the_guide_are_run():
    ran = re.findall(r"^assert (\w+)\.main", program(DOCS / "guides" / "dataset.md"), re.M)
    assert ran == ["train", "train", "evaluate", "train", "evaluate", "train", "evaluate"]


@pytest.mark.parametrize("page", pages.PAGES, ids=lambda page: page.stem)
def test_commands_are_accepted(page):
    for line in pages.shell_lines(page, "python -m keras_refs."):
        pages.check_is_accepted(*pages.command(line))


def test_index_leads_to_every_page():
    index = (DOCS / "index.md").read_text(encoding="utf-8")
    written = {str(path.relative_to(DOCS).with_suffix("")) for path in DOCS.rglob("*.md") if "_build" not in path.parts}
    assert written - {"index"} == set(re.findall(r"^([\w/]+)$", index, re.M))


def test_reference_has_every_package():
    reference = "\n".join(path.read_text(encoding="utf-8") for path in (DOCS / "api").glob("*.md"))
    documented = set(re.findall(r"automodule:: ([\w.]+)$", reference, re.M))
    packages = {f"keras_refs.{path.parent.name}" for path in (REPOSITORY / "keras_refs").glob("*/__init__.py")}
    assert packages - documented == set()


def test_code_host_runs_the_same_checks():
    workflow = (REPOSITORY / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    assert re.findall(r"run: (.*)", workflow) == [".ci/run"]
