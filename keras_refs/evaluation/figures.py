"""Figures of a training and its result, as PNG files.

Drawn with matplotlib's object interface: no window, no global state, so a notebook's own figures stay untouched.
"""

import numpy as np
from matplotlib.figure import Figure

from keras_refs.evaluation.classification import roc_curve

CLASSIFICATION_CURVES = {"loss": "cross-entropy", "accuracy": "accuracy"}


def save_learning_curves(history, path, metrics=CLASSIFICATION_CURVES):
    """Draw metrics against epochs.

    Args:
        history: The `training.History`; its epochs have every metric and its `val_` twin.
        path: PNG file to write.
        metrics: The axis label of each metric to draw.
    """
    figure = Figure(figsize=(4.5 * len(metrics), 3.5), layout="constrained")
    epochs = [row["epoch"] for row in history.epochs]
    best = epochs[history.best_epoch()]
    for axes, (metric, label) in zip(
        figure.subplots(1, len(metrics), squeeze=False).flat, metrics.items(), strict=True
    ):
        axes.plot(epochs, [row[metric] for row in history.epochs], label="training")
        axes.plot(epochs, [row[f"val_{metric}"] for row in history.epochs], label="validation")
        axes.axvline(best, color="grey", linestyle=":", label=f"best epoch ({best})")
        axes.set(xlabel="epoch", ylabel=label)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=120)


def save_confusion_matrix(confusion, class_names, path):
    """Draw a confusion matrix, coloured by the share of each true class.

    Args:
        confusion: Counts, true classes down and predicted ones across.
        class_names: A name for each class.
        path: PNG file to write.
    """
    confusion = np.asarray(confusion)
    many = len(class_names) > 30
    size = 12 if many else 2.5 + 0.55 * len(class_names)
    figure = Figure(figsize=(size, size), layout="constrained")
    axes = figure.subplots()
    share = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    # The square root separates the few mistakes from none at all.
    axes.imshow(np.sqrt(share), cmap="Blues", vmin=0, vmax=1)
    ticks = range(len(class_names))
    axes.set_xticks(ticks, class_names, rotation=60 if many else 45, ha="right", rotation_mode="anchor")
    axes.set_yticks(ticks, class_names)
    axes.set(xlabel="predicted", ylabel="true")
    if not many:
        for row, column in np.argwhere(confusion):
            colour = "white" if share[row, column] > 0.3 else "black"
            axes.text(column, row, confusion[row, column], ha="center", va="center", color=colour, fontsize=8)
    figure.savefig(path, dpi=120)


def save_confident_mistakes(images, labels, probabilities, class_names, path, count=24):
    """Draw the images whose wrong class got the highest probability.

    Args:
        images: uint8 `(examples, height, width, channels)`.
        labels: True classes, integers `(examples,)`.
        probabilities: `(examples, classes)`.
        class_names: A name for each class.
        path: PNG file to write.
        count: How many at most.
    """
    predicted = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(predicted != labels)
    worst = wrong[np.argsort(-probabilities[wrong, predicted[wrong]], kind="stable")][:count]
    columns = 8
    rows = max(1, -(-len(worst) // columns))
    figure = Figure(figsize=(1.5 * columns, 1.9 * rows), layout="constrained")
    for axes in figure.subplots(rows, columns, squeeze=False).flat:
        axes.axis("off")
    for axes, index in zip(figure.axes, worst, strict=False):
        axes.imshow(images[index].squeeze(), cmap="gray")
        axes.set_title(
            f"{class_names[predicted[index]]} {probabilities[index].max():.0%}\nis {class_names[labels[index]]}",
            fontsize=8,
        )
    figure.suptitle(f"The most confident of {len(wrong)} mistakes on {len(labels)} test images")
    figure.savefig(path, dpi=120)


def save_predictions(targets, predictions, path):
    """Draw predictions against the truth, and the residuals' distribution.

    Args:
        targets: True values of any shape; of very many, some are drawn.
        predictions: Of the same shape.
        path: PNG file to write.
    """
    targets, predictions = np.ravel(targets), np.ravel(predictions)
    figure = Figure(figsize=(9, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    thinned = slice(None, None, 1 + len(targets) // 5000)
    left.scatter(targets[thinned], predictions[thinned], s=12, alpha=0.4)
    ends = [min(targets.min(), predictions.min()), max(targets.max(), predictions.max())]
    left.plot(ends, ends, color="grey", linestyle=":", label="prediction = truth")
    left.set(xlabel="truth", ylabel="prediction")
    left.legend()
    right.hist(targets - predictions, bins=30)
    right.axvline(0, color="grey", linestyle=":")
    right.set(xlabel="residual: truth minus prediction", ylabel="examples")
    figure.savefig(path, dpi=120)


def save_roc_curve(labels, probabilities, path):
    """Draw the receiver operating characteristic of a binary classifier.

    Args:
        labels: True classes, 0 or 1, `(examples,)`.
        probabilities: Of class 1, `(examples,)`.
        path: PNG file to write.
    """
    false_positives, true_positives = roc_curve(labels, probabilities)
    area = np.trapezoid(true_positives, false_positives)
    figure = Figure(figsize=(4.5, 4.5), layout="constrained")
    axes = figure.subplots()
    axes.plot(false_positives, true_positives, label=f"area {area:.4f}")
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":", label="chance")
    axes.set(xlabel="false positives (share of class 0)", ylabel="true positives (share of class 1)")
    axes.legend(loc="lower right")
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)


def save_forecasts(times, targets, forecasts, label, path, steps=120):
    """Draw forecasts over the truth, in time, from the middle of the windows.

    Args:
        times: First step each window forecasts, integers `(examples,)`, in hours since 1970; a window a step.
        targets: True values, `(examples, horizon)`.
        forecasts: Of the same shape, by name; the model's first.
        label: What is forecast.
        path: PNG file to write.
        steps: How many steps to draw at most.
    """
    horizon = targets.shape[1]
    count = max(1, min(steps, len(targets)) // horizon)
    first = (len(targets) - count * horizon) // 2
    # Every window begins where the one before ends.
    chosen = slice(first, first + count * horizon, horizon)
    hours = times[first : first + count * horizon].astype("datetime64[h]")
    figure = Figure(figsize=(11, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot(hours, targets[chosen].ravel(), color="black", linewidth=2, label="truth")
    for name, values in forecasts.items():
        own = name == next(iter(forecasts))
        axes.plot(hours, values[chosen].ravel(), linewidth=1.6 if own else 0.8, label=name)
    axes.set(ylabel=label, title=f"{horizon} step{'s' if horizon > 1 else ''} ahead, on test examples")
    axes.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=len(forecasts) + 1)
    figure.savefig(path, dpi=120)


def save_error_by_step(targets, forecasts, label, path):
    """Draw the root mean squared error of forecasts against how far ahead they look.

    Args:
        targets: True values, `(examples, horizon)`.
        forecasts: Of the same shape, by name.
        label: What is forecast.
        path: PNG file to write.
    """
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for name, values in forecasts.items():
        errors = np.sqrt(np.square(values - targets, dtype="float64").mean(axis=0))
        axes.plot(range(1, len(errors) + 1), errors, label=name)
    axes.set(xlabel="steps ahead", ylabel=f"RMSE of {label}", yscale="log")
    axes.grid(alpha=0.3, which="both")
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=120)


def save_memory(curves, chance, gradients, path):
    """Draw what networks learn of a task that needs memory, and how far back in time their gradients reach.

    Args:
        curves: The validation's mean squared error by epoch, for each network by name.
        chance: The error of an answer that does not depend on the input.
        gradients: For each stage of training by name, `gradient_norms` of the networks at it.
        path: PNG file to write.
    """
    figure = Figure(figsize=(11, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    colours = {name: f"C{number}" for number, name in enumerate(curves)}
    for name, errors in curves.items():
        left.plot(range(1, len(errors) + 1), errors, color=colours[name], label=name)
    left.axhline(chance, color="grey", linestyle=":", label=f"always the same answer ({chance:.3f})")
    left.set(xlabel="epoch", ylabel="mean squared error, validation", yscale="log")
    left.xaxis.get_major_locator().set_params(integer=True)
    for (stage, norms), style in zip(gradients.items(), ("--", "-"), strict=False):
        for name, by_step in norms.items():
            right.plot(np.arange(len(by_step))[::-1], by_step, style, color=colours[name], label=f"{name}, {stage}")
    # Below this, nothing of float32 is left.
    right.set(xlabel="distance to the last step", ylabel="gradient of the answer by the input, norm", yscale="log")
    right.set_ylim(bottom=max(1e-12, right.get_ylim()[0]))
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.legend(fontsize=8)
    figure.savefig(path, dpi=120)


def save_attention(sources, answers, attention, path, columns=4):
    """Draw which characters of a source each symbol of its answer attends to, a panel a source.

    Args:
        sources: Strings.
        answers: For each the sequence of symbols that was answered.
        attention: Weights `(sources, steps, characters)`; the step after the last symbol is the end.
        path: PNG file to write.
        columns: Panels side by side.
    """
    rows = -(-len(sources) // columns)
    figure = Figure(figsize=(3.2 * columns, 3.2 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).flat
    for axes, source, answer, weights in zip(panels, sources, answers, attention, strict=False):
        image = axes.imshow(weights[: len(answer), : len(source)], cmap="Blues", vmin=0, vmax=1, aspect="auto")
        axes.set_xticks(range(len(source)), source)
        axes.set_yticks(range(len(answer)), answer)
        axes.set_title(source, fontsize="medium")
    for axes in list(figure.axes)[len(sources) :]:
        axes.set_axis_off()
    figure.colorbar(image, ax=figure.axes, label="attention weight", shrink=0.6)
    figure.savefig(path, dpi=120)


def save_error_by_length(lengths, wrong, label, path, fewest=20):
    """Draw the share of wrong answers against the length of the source, with the number of sources behind it.

    Args:
        lengths: Length of each source.
        wrong: Whether its answer is wrong.
        label: What the sources are.
        path: PNG file to write.
        fewest: Lengths of fewer sources have no share worth a mark.
    """
    lengths, wrong = np.asarray(lengths), np.asarray(wrong)
    found, counts = np.unique(lengths, return_counts=True)
    figure = Figure(figsize=(6, 3.8), layout="constrained")
    number = figure.subplots()
    number.bar(found, counts, color="lightgrey")
    number.set(xlabel="characters", ylabel=f"{label} in the test split")
    number.xaxis.get_major_locator().set_params(integer=True)
    share, enough = number.twinx(), found[counts >= fewest]
    rates = np.array([wrong[lengths == length].mean() for length in enough])
    # Of as many draws as there are sources of a length, two standard deviations either way.
    margin = 2 * np.sqrt(rates * (1 - rates) / counts[counts >= fewest])
    share.errorbar(enough, rates, margin, marker="o", capsize=3)
    share.set(ylabel="share of wrong answers")
    share.set_ylim(bottom=0)
    figure.savefig(path, dpi=120)


def save_confusions(confusions, path, most=20):
    """Draw the most frequent confusions as bars.

    Args:
        confusions: How often which symbol stood for which: counts by `(right, answered)`, an empty symbol for none.
        path: PNG file to write.
        most: Confusions to draw.
    """
    frequent = sorted(confusions.items(), key=lambda item: (-item[1], item[0]))[:most]
    figure = Figure(figsize=(6, 1 + 0.26 * max(4, len(frequent))), layout="constrained")
    axes = figure.subplots()
    if not frequent:
        axes.text(0.5, 0.5, "no mistake in the test split", ha="center", va="center", transform=axes.transAxes)
    names = [f"{right or 'nothing'} \N{RIGHTWARDS ARROW} {said or 'nothing'}" for (right, said), _ in frequent]
    axes.barh(range(len(frequent)), [count for _, count in frequent])
    axes.set_yticks(range(len(frequent)), names)
    axes.invert_yaxis()
    axes.set(xlabel="times in the test split", ylabel="right \N{RIGHTWARDS ARROW} answered")
    figure.savefig(path, dpi=120)
