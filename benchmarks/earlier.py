"""What was measured before, and stays when a benchmark is run again."""

import json


def earlier(path, name="runs"):
    """Return the list of measurements in a file of `results/`; an empty one if there is no file."""
    return json.loads(path.read_text(encoding="utf-8"))[name] if path.exists() else []
