"""Puts the trained models, which stand beside the package, into the wheel; all else is in setup.cfg."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

MODELS = "saved_models"


class BuildWithModels(build_py):
    """Copies the models into the package."""

    def run(self):
        """Build."""
        super().run()
        if not self.editable_mode:
            shutil.copytree(MODELS, Path(self.build_lib) / "keras_refs" / MODELS, dirs_exist_ok=True)


setup(cmdclass={"build_py": BuildWithModels})
