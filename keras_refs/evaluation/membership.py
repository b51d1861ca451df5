"""How well somebody can tell from a model's losses which examples it was trained on."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn import metrics

from keras_refs.evaluation.figures import new_figure


def membership_attack(member_losses: ArrayLike, other_losses: ArrayLike) -> dict[str, Any]:
    """Attack a model by a threshold: what has a lower loss is taken for a training example.

    Source: Yeom et al. 2018, "Privacy risk in machine learning: analyzing the connection to overfitting". The threshold
    is the best one for these very examples, so that the advantage is above 0 by chance: of n members and n others by
    about 0.9 / sqrt(n), if the model gives nothing away.

    Args:
        member_losses: Losses of examples that the model was trained on, `(members,)`.
        other_losses: Losses of examples of the same kind that it was not trained on, `(others,)`.

    Returns:
        A dictionary: `advantage`, the greatest difference between both rates over all thresholds, 0 for a guess and 1
        for certainty; `threshold`, the loss there; `area`, that under the ROC curve; the curve itself in the lists
        `true_positive_rate`, of members, and `false_positive_rate`, of others.

    Raises:
        ValueError: If one of both is empty, or a loss is not finite.

    >>> membership_attack([0.1, 0.2, 0.9], [0.3, 0.4, 0.5])["advantage"]
    0.6666666666666666
    """
    losses = np.concatenate([np.asarray(member_losses, "float64"), np.asarray(other_losses, "float64")])
    is_member = np.arange(len(losses)) < len(np.asarray(member_losses))
    if not 0 < is_member.sum() < len(losses) or not np.isfinite(losses).all():
        raise ValueError(
            "There must be losses of members and of others, all of them finite. "
            f"Received: {is_member.sum()} of members, {(~is_member).sum()} of others"
        )
    others_rate, members_rate, thresholds = metrics.roc_curve(is_member, -losses)
    best = np.argmax(members_rate - others_rate)
    return {
        "advantage": float(members_rate[best] - others_rate[best]),
        "threshold": float(-thresholds[best]),
        "area": float(metrics.auc(others_rate, members_rate)),
        "true_positive_rate": members_rate.tolist(),
        "false_positive_rate": others_rate.tolist(),
    }


def save_membership_attacks(attacks: Mapping[str, dict[str, Any]], path: str | Path) -> None:
    """Draw by the name of a model the ROC curve of its `membership_attack`, with the advantage where it is greatest."""
    with new_figure(path, 4.5, 4.5) as (axes,):
        for number, (name, attack) in enumerate(attacks.items()):
            members, others = (np.array(attack[f"{kind}_positive_rate"]) for kind in ("true", "false"))
            label, colour = f"{name} (advantage {attack['advantage']:.3f})", f"C{number}"
            axes.plot(others, members, color=colour, label=label)
            best = np.argmax(members - others)
            axes.plot([others[best]] * 2, [others[best], members[best]], color=colour, linestyle="--")
        axes.plot([0, 1], [0, 1], color="grey", linestyle=":", label="a guess (advantage 0)")
        axes.set(xlabel="fraction of others taken for training examples", ylabel="fraction of training examples found")
        axes.legend(loc="lower right")
        axes.grid(alpha=0.3)
