import numpy as np
import pytest

from keras_refs.serving import figures

SERIES = np.array([[1.0, 10.0, 0.1], [2.0, 20.0, 0.2]])
CARD = {"columns": ["price", "volume", "change"], "settings": {"target": "volume"}}


def lines(figure):
    """Return the values of every line in a figure by its label."""
    (axes,) = figure.axes
    return {line.get_label(): line.get_ydata().tolist() for line in axes.lines}


@pytest.mark.parametrize("target", [0, 1, 2])
def test_a_forecast_continues_the_column_of_its_target(target):
    name = CARD["columns"][target]
    result = lines(figures.draw_forecast(SERIES, [5.0], "2014-01-01", {**CARD, "settings": {"target": name}}))
    assert result == {name: SERIES[:, target].tolist(), "forecast": [5.0]}


@pytest.mark.parametrize("card", [{}, {"settings": CARD["settings"]}, {"columns": CARD["columns"]}])
def test_a_forecast_of_an_unknown_column_stands_alone(card):
    assert lines(figures.draw_forecast(SERIES, [5.0], "2014-01-01", card)) == {"forecast": [5.0]}


@pytest.mark.parametrize(("card", "name"), [({}, "series"), ({"settings": {"target": "load"}}, "load")])
def test_a_series_of_one_column_needs_no_card(card, name):
    result = lines(figures.draw_forecast([[1.0], [2.0]], [3.0, 4.0], "2014-01-01", card))
    assert result == {name: [1.0, 2.0], "forecast": [3.0, 4.0]}


def test_attention_of_words_and_of_characters():
    weights = np.eye(5)
    for target, symbols in (("R AH F", ["R", "AH", "F"]), ("2014", ["2", "0", "1", "4"])):
        (axes,) = figures.draw_attention("rough", target, weights).axes
        assert [label.get_text() for label in axes.get_yticklabels()] == symbols
        assert [label.get_text() for label in axes.get_xticklabels()] == list("rough")
        assert axes.images[0].get_array().shape == (len(symbols), 5)


def test_attention_of_the_characters_that_are_read():
    (axes,) = figures.draw_characters("a text", [0.5, 0.25, 0.25]).axes
    assert [label.get_text() for label in axes.get_xticklabels()] == list("a t")
    assert [bar.get_height() for bar in axes.patches] == [0.5, 0.25, 0.25]
    (axes,) = figures.draw_characters("ab", [0.5, 0.5, 0.0]).axes
    assert len(axes.patches) == 2
