import numpy as np

from keras_refs import export


def test_requests_come_back_as_they_were_written(tmp_path):
    examples = {
        "serving_default": {"numbers": np.array([[1.5, 2]], "float32"), "words": ["a", "é"]},
        "sample": {"seed": np.int64(2**40), "count": np.int32(3)},
    }
    export.write_warm_up(tmp_path, "a_model", examples)
    assert (tmp_path / "assets.extra" / "tf_serving_warmup_requests").exists()
    found = dict(export.read_warm_up(tmp_path))
    assert list(found) == ["serving_default", "sample"]
    np.testing.assert_array_equal(found["serving_default"]["numbers"], [[1.5, 2]])
    assert found["serving_default"]["words"].tolist() == [b"a", "é".encode()]
    assert {name: (array.shape, array.dtype.name) for name, array in found["sample"].items()} == {
        "seed": ((), "int64"),
        "count": ((), "int32"),
    }


def test_a_model_may_bring_none(tmp_path):
    assert export.read_warm_up(tmp_path) == []
