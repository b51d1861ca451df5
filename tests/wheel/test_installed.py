"""The commands in an empty folder, by names of the models that come with the package."""

import contextlib
import json
import shutil
import subprocess
import urllib.error
import urllib.request

import pytest

from tests.conftest import REPOSITORY
from tests.serving.servers import free_port, wait_until
from tests.wheel.conftest import ENVIRONMENT

NAMES = sorted(folder.name for folder in (REPOSITORY / "saved_models").iterdir())


def test_all_models_come_with_the_package_and_load(run):
    program = (
        "import keras_refs\n"
        "for model in keras_refs.list_models(trained=True):\n"
        "    assert keras_refs.load_model(model.name).count_params() == model.parameters\n"
        "    print(model.name, model.folder.parents[2])"
    )
    printed = dict(line.split() for line in run("-c", program).splitlines())
    assert sorted(printed) == NAMES
    assert {folder.rpartition("/")[2] for folder in printed.values()} == {"keras_refs"}
    assert not any(folder.startswith(str(REPOSITORY)) for folder in printed.values())


@pytest.mark.parametrize("name", ["linear_regression", "conv_classifier"])
def test_evaluates_by_name(run, name):
    *_, score, claim = run("-m", "keras_refs.evaluate", name).splitlines()
    assert claim == f"Its model card claims {score}."


def test_explains_by_name(run, tmp_path):
    (printed,) = run("-m", "keras_refs.explain", "linear_regression").splitlines()
    assert (tmp_path / printed).stat().st_size > 1000
    assert printed.startswith("explanations/linear_regression/1/")


def test_trains_a_gan(run, tmp_path):
    """Its scores need another model of the package."""
    small = "--epochs 1 --train-split train[:1%] --test-split test[:2%] --samples 100 --base-filters 8"
    filters = "--generator-filters 8 4 --discriminator-filters 8"
    printed = run("-m", "keras_refs.train", "gan", *small.split(), *filters.split())
    assert printed.splitlines()[-1] == "SavedModel: saved_models/gan/1"
    assert (tmp_path / "saved_models" / "gan" / "1" / "model_card.md").exists()


@contextlib.contextmanager
def served(python, folder):
    """Yield the address of the installed server, started in a folder."""
    port = free_port()
    command = [python, "-m", "keras_refs.serve", "--port", str(port)]
    with subprocess.Popen(command, cwd=folder, env=ENVIRONMENT) as server:
        address = f"http://127.0.0.1:{port}/v1/models"
        try:
            yield address
        finally:
            server.terminate()


def is_ready(url):
    try:
        with urllib.request.urlopen(url) as answer:
            return json.load(answer)["model_version_status"][0]["state"] == "AVAILABLE"
    except OSError:
        return False


def test_serves_the_models_of_the_package(python, tmp_path):
    with served(python, tmp_path) as address:
        wait_until(lambda: all(is_ready(f"{address}/{name}") for name in NAMES), seconds=300)
        request = json.dumps({"instances": [[0.0] * 10]}).encode()
        with urllib.request.urlopen(f"{address}/linear_regression:predict", request) as answer:
            ((prediction,),) = json.load(answer)["predictions"]
    assert prediction == pytest.approx(-334.567, abs=0.01), "what the committed model predicts"


def test_a_folder_of_ones_own_comes_first(python, tmp_path):
    shutil.copytree(REPOSITORY / "saved_models" / "linear_regression", tmp_path / "saved_models" / "linear_regression")
    with served(python, tmp_path) as address:
        wait_until(lambda: is_ready(f"{address}/linear_regression"), seconds=300)
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"{address}/mlp")
