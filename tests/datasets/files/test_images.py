import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits, load_sample_image

from keras_refs import datasets
from keras_refs.datasets.files import find_images, load_images
from keras_refs.errors import UserError

DIGITS = np.round(load_digits().images * (255 / 16)).astype(np.uint8)
TARGETS = load_digits().target


def read_images(*arguments, **options):
    class_names, shape, splits = find_images(*arguments, **options)
    return class_names, [(load_images(paths, shape), labels) for paths, labels in splits]


def save(array, path, size=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(array)
    (image.resize(size) if size else image).save(path)


def write_digits(folder, count=300, suffix=".png"):
    for index in range(count):
        save(DIGITS[index], folder / str(TARGETS[index]) / f"{index:04d}{suffix}")
    return folder


def as_set(images):
    return {image.tobytes() for image in images}


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".gif"])
def test_images_and_classes_are_those_that_were_saved(suffix, tmp_path):
    class_names, splits = read_images(write_digits(tmp_path / "digits", suffix=suffix))
    assert class_names == tuple("0123456789")
    assert sum(len(labels) for _, labels in splits) == 300
    for images, labels in splits:
        assert (images.dtype, images.shape[1:], labels.dtype) == (np.uint8, (8, 8, 1), np.int64)
        for label in range(10):
            expected = DIGITS[:300][TARGETS[:300] == label]
            assert as_set(images[labels == label]) <= as_set(expected)
    assert as_set(np.concatenate([images for images, _ in splits])) == as_set(DIGITS[:300])
    assert not as_set(splits[0][0]) & as_set(splits[2][0])


def test_given_splits_and_other_files(tmp_path, capsys):
    folder = write_digits(tmp_path / "digits" / "train")
    write_digits(folder.parent / "test", count=50)
    (folder / "0" / ".DS_Store").write_text("hidden")
    (folder / "0" / "readme.txt").write_text("no image")
    class_names, (train, validation, test) = read_images(folder.parent)
    assert len(test[1]) == 50
    assert len(train[1]) + len(validation[1]) == 250
    printed = capsys.readouterr().out
    assert "left out as they are no images SPLIT/CLASS/IMAGE: 1, first train/0/readme.txt." in printed
    assert "left out because the split to score or to validate on has them, too: 50, the first is" in printed
    _, again = read_images(folder.parent, needed=("test",), shape=(8, 8, 1), class_names=class_names)
    np.testing.assert_array_equal(again[2][0], test[0])
    assert len(again[0][0]) == 0


def test_sizes_that_differ_are_resized_and_said(tmp_path, capsys):
    photo = load_sample_image("flower.jpg")
    for number in range(40):
        shift = number * 4
        for label, top in (("upper", 0), ("lower", 200)):
            save(photo[top : top + 200, shift : shift + 300], tmp_path / label / f"{number}.jpg", (60 + number, 40))
    _, splits = read_images(tmp_path)
    assert splits[0][0].shape[1:] == (40, 40, 3)
    assert (
        "differ in size, from 40x60 to 40x99 pixels, and are resized to 40x40; --image-size" in capsys.readouterr().out
    )
    assert read_images(tmp_path, image_size=16)[1][0][0].shape[1:] == (16, 16, 3)
    assert "differ in size" not in capsys.readouterr().out
    _, splits = read_images(tmp_path, shape=(20, 30, 1))
    assert splits[0][0].shape[1:] == (20, 30, 1)
    data = datasets.load_image_classification("", data=str(tmp_path), validation_fraction=0.2)
    assert (data.image_shape, data.class_names, data.name) == ((40, 40, 3), ("lower", "upper"), tmp_path.name)


def test_large_images_of_different_sizes_are_made_small(tmp_path):
    for number in range(40):
        array = np.full((200 + number, 300, 3), number, np.uint8)
        save(array, tmp_path / "ab"[number % 2] / f"{number}.png")
    assert read_images(tmp_path, validation=20)[1][0][0].shape[1:] == (96, 96, 3)


def test_folders_that_are_refused(tmp_path):
    with pytest.raises(UserError, match="must be a folder with a folder of images for each class"):
        read_images(tmp_path / "nowhere")
    with pytest.raises(UserError, match="has no images CLASS/IMAGE: it must have a folder for each class"):
        read_images(tmp_path)
    folder = write_digits(tmp_path / "digits")
    broken = folder / "3" / "broken.png"
    broken.write_bytes(b"no image")
    with pytest.raises(UserError, match=r"3/broken.png is no image that can be read: .* Mend it or take it out."):
        read_images(folder)
    content = (folder / "0" / "0000.png").read_bytes()
    broken.write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match=r"3/broken.png is no image that can be read: "):
        read_images(folder)
    save(DIGITS[0].astype(np.uint16), broken)
    with pytest.raises(UserError, match=r"3/broken.png has more than 8 bits per channel"):
        read_images(folder)


def test_classes_that_are_refused(tmp_path):
    folder = write_digits(tmp_path / "one" / "train")
    save(255 - DIGITS[0], folder.parent / "test" / "x" / "1.png")
    with pytest.raises(UserError, match="test/x/1.png: the class 'x' is in the test split and has no example"):
        read_images(folder.parent)
    for index in range(100):
        save(DIGITS[index], tmp_path / "same" / "digit" / f"{index}.png")
    with pytest.raises(UserError, match="must have examples of at least two classes. Received: digit"):
        read_images(tmp_path / "same")
