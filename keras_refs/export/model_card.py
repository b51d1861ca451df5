"""The model card beside a SavedModel: for people as Markdown, for programs as JSON.

After Mitchell et al. 2019, "Model cards for model reporting".
"""

import json
from pathlib import Path

from keras_refs import storage

CARD = "model_card.json"


def write_model_card(folder, card, scores):
    """Write `model_card.json` and `model_card.md` into a version folder.

    Args:
        folder: The version folder. PNG files in its `figures/` are shown in the card.
        card: A dictionary of plain values: `name`, `summary`, `date`, `parameters`, `settings` (the recipe's
            configuration), `ran_on`, `seconds` (of training), `epochs`, `best_epoch`, `dataset` (`name`, `homepage`,
            `citation` and `examples` by split), `test` (the scores as numbers), `signatures` and `limits` (Markdown).
        scores: The scores as text by heading; the last line of each is the one that counts.
    """
    folder = Path(folder)
    storage.write_json(folder / CARD, card)
    figures = sorted(path.name for path in (folder / "figures").glob("*.png"))
    (folder / "model_card.md").write_text(_markdown(card, scores, figures), encoding="utf-8")


def read_model_card(folder):
    """Return the card of a version folder as a dictionary, empty if it has none."""
    path = Path(folder) / CARD
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _markdown(card, scores, figures):
    tables = "\n\n".join(f"## {heading}\n\n```\n{text}\n```" for heading, text in scores.items())
    shown = "\n".join(f"![{Path(name).stem.replace('_', ' ')}](figures/{name})\n" for name in figures)
    return f"""# {card["name"]}

{card["summary"]}

{_facts(card, scores)}

## Signatures

{card["signatures"]}

{tables}

{shown}
## Use and limits

{card["limits"]}

## Settings

```json
{json.dumps(card["settings"], indent=2)}
```

## Data

```bibtex
{card["dataset"]["citation"].strip()}
```
"""


def _facts(card, scores):
    dataset, examples = card["dataset"], card["dataset"]["examples"]
    versions = ", ".join(f"{package} {version}" for package, version in card["ran_on"]["versions"].items())
    rows = {
        **{heading.lower(): text.splitlines()[-1] for heading, text in scores.items()},
        "data": f"[{dataset['name']}]({dataset['homepage']})",
        "trained on": f"{examples['train']:,} examples; the best of {card['epochs']} epochs, {card['best_epoch']}, was "
        f"chosen by the validation on {examples['validation']:,}",
        "scored on": f"{examples['test']:,} examples",
        "parameters": f"{card['parameters']:,}",
        "seed": card["settings"]["seed"],
        "training time": f"{card['seconds']:.0f} s on {card['ran_on']['device']}",
        "date": card["date"],
        "versions": versions,
    }
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())])
