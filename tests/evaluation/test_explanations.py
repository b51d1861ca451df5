import numpy as np

from keras_refs import evaluation


def test_maps_stand_under_their_image_each_up_to_its_own_maximum(figures, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (2, 4, 6, 1), np.uint8)
    pixels, coarse, rows = np.arange(48.0).reshape(2, 4, 6), np.ones((2, 2, 3)), np.array([[0, 1, 2, 4], [0, 0, 0, 0]])
    maps = {"saliency": pixels, "Grad-CAM": coarse, "rows": rows}
    evaluation.save_maps(images, ["shirt 90%", "bag 80%"], maps, tmp_path / "maps.png")
    panels = np.reshape(figures[0].axes, (4, 2))
    assert [axes.get_ylabel() for axes in panels[:, 0]] == ["image", "saliency", "Grad-CAM", "rows"]
    assert [axes.get_title() for axes in panels[0]] == ["shirt 90%", "bag 80%"]
    np.testing.assert_array_equal(panels[0, 1].images[0].get_array(), images[1, ..., 0])
    np.testing.assert_allclose(panels[1, 1].images[0].get_array(), pixels[1] / 47)
    # The coarse one lies over the image, on the same pixels.
    below, above = panels[2, 0].images
    np.testing.assert_array_equal(below.get_array(), images[0, ..., 0])
    assert below.get_extent() == list(above.get_extent()) == [-0.5, 5.5, 3.5, -0.5]
    assert [bar.get_width() for bar in panels[3, 0].patches] == [0, 0.25, 0.5, 1]
    assert [bar.get_width() for bar in panels[3, 1].patches] == [0, 0, 0, 0]


def test_influence_counts_the_window_back_from_the_first_forecast(figures, texts, tmp_path):
    influence = np.arange(24.0).reshape(2, 3, 4)
    evaluation.save_influence(influence, ["load", "hour"], "MW", tmp_path / "influence.png")
    evaluation.save_influence(influence[:, :1], ["load", "hour"], "MW", tmp_path / "one_step.png")
    *panels, bar = figures[0].axes
    assert ([axes.get_title() for axes in panels], bar.get_ylabel()) == (["load", "hour"], "MW")
    np.testing.assert_array_equal(panels[1].images[0].get_array(), influence[1])
    assert panels[1].images[0].get_extent() == [-4.5, -0.5, 3.5, 0.5]
    # All panels share one scale.
    assert {axes.images[0].get_clim() for axes in panels} == {(0, 23)}
    assert [texts(axes.get_yticklabels()) for axes in figures[1].axes[:2]] == [["load"], ["hour"]]


def test_characters_are_coloured_relative_to_their_own_text(figures, texts, tmp_path):
    strengths = [np.array([1.0, 2, 4]), np.array([3.0, 0])]
    evaluation.save_characters(
        ["cat", "ba"], ["English 99%", "none"], strengths, "gradient", tmp_path / "characters.png"
    )
    axes, bar = figures[0].axes
    np.testing.assert_allclose(axes.images[0].get_array().filled(-1), [[0.25, 0.5, 1], [1, 0, -1]])
    cells = {(1, 1): "a", (2, 0): "t", (0, 0): "c", (1, 0): "a", (0, 1): "b"}
    assert {text.get_position(): text.get_text() for text in axes.texts} == cells
    assert texts(axes.get_yticklabels()) == ["English 99%", "none"]
    assert bar.get_ylabel().startswith("gradient, relative")


def test_marked_values_have_a_gradient_for_each_network(figures, texts, tmp_path):
    values, marks = np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]]), np.array([[1, 0, 1], [1, 1, 0]])
    evaluation.save_marked_values(values, marks, {"lstm": marks, "rnn": 0 * marks}, tmp_path / "marked.png")
    first, second = figures[0].axes
    assert (first.get_title(), second.get_title()) == ("marked values 0.10, 0.30", "marked values 0.40, 0.50")
    np.testing.assert_array_equal([line.get_ydata() for line in second.lines], [[1, 1, 0], [0, 0, 0]])
    assert texts(figures[0].legends[0].get_texts())[1:] == ["lstm", "rnn"]


def test_coefficients_of_the_largest_magnitude_come_first(figures, texts, tmp_path):
    coefficients = {"price": np.array([1.0, -3.0, 2.0])}
    evaluation.save_coefficients(["a", "b", "c"], coefficients, "change per unit", tmp_path / "coefficients.png")
    (axes,) = figures[0].axes
    assert texts(axes.get_yticklabels()) == ["b", "c", "a"]
    assert [bar.get_width() for bar in axes.patches] == [-3, 2, 1]
    assert (axes.get_title(), axes.get_xlabel()) == ("price", "change per unit")
