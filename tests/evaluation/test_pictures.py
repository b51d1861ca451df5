import numpy as np
from PIL import Image

from keras_refs import training
from keras_refs.evaluation import pictures

IMAGES = np.arange(5, dtype=np.uint8).reshape(5, 1, 1, 1) * np.ones((5, 4, 3, 1), np.uint8) * 50


def test_a_sheet_holds_every_picture_in_its_place():
    found = pictures.sheet(IMAGES, columns=3)
    assert found.shape == (2 * 4 + pictures.GAP, 3 * 3 + 2 * pictures.GAP, 1)
    for place, image in enumerate(IMAGES):
        top, left = place // 3 * (4 + pictures.GAP), place % 3 * (3 + pictures.GAP)
        np.testing.assert_array_equal(found[top : top + 4, left : left + 3], image)
    # Between two pictures, and where the sixth would be.
    assert (found[4] == 255).all()
    assert (found[-4:, -3:] == 255).all()


def test_a_picture_is_enlarged_and_else_kept(tmp_path):
    for channels in (1, 3):
        image = np.random.default_rng(0).integers(0, 256, (4, 5, channels), dtype=np.uint8)
        pictures.save(image, tmp_path / "image.png", scale=3)
        with Image.open(tmp_path / "image.png") as saved:
            found = np.asarray(saved).reshape(12, 15, channels)
        np.testing.assert_array_equal(found[::3, ::3], image)


def test_an_animation_shows_first_and_last(tmp_path):
    paths = [tmp_path / f"{number:02d}.png" for number in range(10)]
    for number, path in enumerate(paths):
        pictures.save(np.full((8, 8, 1), 20 * number, np.uint8), path)
    pictures.save_animation(paths, tmp_path / "all.gif", frames=4)
    shades = []
    with Image.open(tmp_path / "all.gif") as animation:
        for frame in range(animation.n_frames):
            animation.seek(frame)
            shades.append(animation.convert("L").getpixel((0, 0)))
    assert shades == [0, 60, 120, 180]


def test_players(tmp_path):
    history, losses = training.History("val_distance"), {"generator_loss": 1.0, "discriminator_loss": 0.7}
    history.epochs = [{"epoch": epoch, "val_distance": 9.0 / epoch, **losses} for epoch in (1, 2, 3)]
    pictures.save_players(history, tmp_path / "players.png")
    with Image.open(tmp_path / "players.png") as figure:
        assert figure.width > figure.height > 100
