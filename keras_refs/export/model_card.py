"""The model card beside a SavedModel: for people as Markdown, for programs as JSON.

After Mitchell et al. 2019, "Model cards for model reporting".
"""

import json
from pathlib import Path

from keras_refs import storage
from keras_refs.evaluation import format_classification_metrics

CARD = "model_card.json"


def write_model_card(folder, card):
    """Write `model_card.json` and `model_card.md` into a version folder.

    Args:
        folder: The version folder. PNG files in its `figures/` are shown in the card.
        card: A dictionary of plain values: `name`, `summary`, `date`, `parameters`, `settings` (the recipe's
            configuration), `ran_on`, `seconds` (of training), `epochs`, `best_epoch`, `dataset` (`name`, `homepage`,
            `citation`, `class_names`, `image_shape`, `examples` by split) and `test` (classification metrics).
    """
    folder = Path(folder)
    storage.write_json(folder / CARD, card)
    (folder / "model_card.md").write_text(_markdown(folder, card), encoding="utf-8")


def read_model_card(folder):
    """Return the card of a version folder as a dictionary, empty if it has none."""
    path = Path(folder) / CARD
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _markdown(folder, card):
    dataset, settings, versions = card["dataset"], card["settings"], card["ran_on"]["versions"]
    height, width, channels = dataset["image_shape"]
    figures = sorted(path.name for path in (folder / "figures").glob("*.png"))
    shown = "\n".join(f"![{Path(name).stem.replace('_', ' ')}](figures/{name})\n" for name in figures)
    citation = "\n".join(["```bibtex", dataset["citation"].strip(), "```"])
    return f"""# {card["name"]}

{card["summary"]}

| | |
|---|---|
| test accuracy | {card["test"]["accuracy"]:.4f} on {dataset["examples"]["test"]:,} images |
| data | [{dataset["name"]}]({dataset["homepage"]}) |
| trained on | {dataset["examples"]["train"]:,} images; the best of {card["epochs"]} epochs, {card["best_epoch"]}, \
was chosen on {dataset["examples"]["validation"]:,} validation images |
| parameters | {card["parameters"]:,} |
| seed | {settings["seed"]} |
| training time | {card["seconds"]:.0f} s on {card["ran_on"]["device"]} |
| date | {card["date"]} |
| versions | {", ".join(f"{package} {version}" for package, version in versions.items())} |

## Signatures

- `serving_default`: `images`, uint8 `[batch, {height}, {width}, {channels}]`, pixel values 0..255
- `encoded_images`: `encoded_images`, string `[batch]`, the bytes of PNG or JPEG files of any size; they are resized

Both return `label` (int64 `[batch]`), `class_name` (string `[batch]`) and `probabilities` (float32 `[batch, \
{len(dataset["class_names"])}]`).

Classes: {", ".join(dataset["class_names"])}.

## Scores on the test split

```
{format_classification_metrics(card["test"])}
```

{shown}
## Use and limits

It names pictures like those it was trained on. It always answers with one of its classes, also for a picture that
shows none of them, and its probabilities were not calibrated. Pictures with another background, framing or pose than
the training data's lie outside what was measured.

## Settings

```json
{json.dumps(settings, indent=2)}
```

## Data

{citation}
"""
