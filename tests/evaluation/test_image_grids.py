import numpy as np
import pytest
from PIL import Image

from keras_refs import evaluation
from keras_refs.evaluation.image_grids import GAP

IMAGES = np.arange(5, dtype=np.uint8).reshape(5, 1, 1, 1) * np.ones((5, 4, 3, 1), np.uint8) * 50


def test_a_grid_holds_every_image_row_by_row():
    grid = evaluation.image_grid(IMAGES, columns=3)
    assert grid.shape == (2 * 4 + GAP, 3 * 3 + 2 * GAP, 1)
    for index, image in enumerate(IMAGES):
        top, left = index // 3 * (4 + GAP), index % 3 * (3 + GAP)
        np.testing.assert_array_equal(grid[top : top + 4, left : left + 3], image)
    # Between two images, and where the sixth would be.
    assert (grid[4] == 255).all()
    assert (grid[-4:, -3:] == 255).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_an_image_is_enlarged_to_squares(tmp_path, channels):
    image = np.random.default_rng(0).integers(0, 256, (4, 5, channels), dtype=np.uint8)
    evaluation.save_image(image, tmp_path / "image.png", scale=3)
    with Image.open(tmp_path / "image.png") as saved:
        pixels = np.asarray(saved).reshape(12, 15, channels)
    np.testing.assert_array_equal(pixels, np.kron(image, np.ones((3, 3, 1))))


def test_an_animation_shows_first_and_last(tmp_path):
    paths = [tmp_path / f"{number:02d}.png" for number in range(10)]
    for number, path in enumerate(paths):
        evaluation.save_image(np.full((8, 8, 1), 20 * number, np.uint8), path)
    evaluation.save_animation(paths, tmp_path / "all.gif", frames=4, seconds=2.0)
    shades, durations = [], []
    with Image.open(tmp_path / "all.gif") as animation:
        for frame in range(animation.n_frames):
            animation.seek(frame)
            shades.append(animation.convert("L").getpixel((0, 0)))
            durations.append(animation.info["duration"])
    assert shades == [0, 60, 120, 180]
    assert durations == [500, 500, 500, 2000]
