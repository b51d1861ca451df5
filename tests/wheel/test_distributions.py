import subprocess
import sys
import tarfile

MAX_BYTES = 60_000_000


def test_metadata_and_description_are_valid(distributions):
    assert set(distributions) == {".gz", ".whl"}
    subprocess.run([sys.executable, "-m", "twine", "check", "--strict", *distributions.values()], check=True)


def test_sizes(distributions):
    assert {path.name: path.stat().st_size for path in distributions.values() if path.stat().st_size > MAX_BYTES} == {}


def test_source_has_the_changes_and_the_licences(distributions):
    with tarfile.open(distributions[".gz"]) as source:
        names = {name.partition("/")[2] for name in source.getnames()}
    assert {"CHANGELOG.md", "LICENSE", "README.md", "keras_refs/datasets/prepared/fashion_mnist/LICENSE"} <= names
