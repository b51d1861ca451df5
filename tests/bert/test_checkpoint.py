import json

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from keras_refs import bert_classifier, bert_encoder, pretrained
from keras_refs.errors import UserError

SIZES = {
    "vocabulary_size": 9,
    "hidden_dim": 8,
    "blocks": 2,
    "num_heads": 4,
    "feed_forward_dim": 6,
    "max_steps": 5,
    "num_segments": 2,
}
EMBEDDINGS = {"word": (9, 8), "position": (5, 8), "token_type": (2, 8)}
INPUTS = {"tokens": np.array([[2, 5, 3]]), "segments": np.array([[0, 0, 1]])}


def draw_arrays():
    """Return arrays under Hugging Face's names, in PyTorch's shapes."""
    rng = np.random.default_rng(0)
    shapes = {f"embeddings.{name}_embeddings.weight": shape for name, shape in EMBEDDINGS.items()}
    dense, normalizations = {"pooler.dense": (8, 8)}, ["embeddings.LayerNorm"]
    for number in range(2):
        block = f"encoder.layer.{number}"
        names = ["self.query", "self.key", "self.value", "output.dense"]
        dense |= {f"{block}.attention.{name}": (8, 8) for name in names}
        dense |= {f"{block}.intermediate.dense": (6, 8), f"{block}.output.dense": (8, 6)}
        normalizations += [f"{block}.attention.output.LayerNorm", f"{block}.output.LayerNorm"]
    for name, shape in {**dense, **dict.fromkeys(normalizations, (8,))}.items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    return {name: rng.normal(size=shape).astype("float32") for name, shape in shapes.items()}


ARRAYS = draw_arrays()


def write(folder, arrays=ARRAYS, **config):
    save_file(arrays, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"model_type": "bert", "num_attention_heads": 4, **config}))
    return folder


def outputs(path):
    return pretrained.read_bert(path)(INPUTS)["pooled"].numpy()


def test_a_folder_or_a_file_of_any_sizes(tmp_path):
    write(tmp_path)
    assert pretrained.bert_sizes(tmp_path) == SIZES
    model = pretrained.read_bert(tmp_path)
    assert model.count_params() == sum(array.size for array in ARRAYS.values())
    kernel = model.get_layer("block2_feed_forward").kernel
    np.testing.assert_array_equal(kernel, ARRAYS["encoder.layer.1.intermediate.dense.weight"].T)
    # The second head has the outputs 2 and 3.
    kernel = model.get_layer("block1_attention").query_dense.kernel
    np.testing.assert_array_equal(kernel[:, 1], ARRAYS["encoder.layer.0.attention.self.query.weight"][2:4].T)
    np.testing.assert_array_equal(outputs(tmp_path / "model.safetensors"), outputs(tmp_path))


def test_other_ways_to_name_and_to_store_the_same(tmp_path):
    expected = outputs(write(tmp_path))
    named = {f"bert.{name}": array for name, array in ARRAYS.items()}
    named = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): array
        for name, array in named.items()
    }
    heads = {"cls.predictions.bias": np.zeros(9, "float32"), "classifier.weight": np.zeros((3, 8), "float32")}
    positions = {"bert.embeddings.position_ids": np.arange(5)[np.newaxis]}
    np.testing.assert_array_equal(outputs(write(tmp_path, named | heads | positions)), expected)
    for dtype in (np.float16, ml_dtypes.bfloat16):
        rounded = {name: array.astype(dtype) for name, array in ARRAYS.items()}
        assert load_file(write(tmp_path, rounded) / "model.safetensors")["pooler.dense.bias"].dtype == dtype
        model = pretrained.read_bert(tmp_path)
        assert model.get_layer("pooler").bias.dtype == "float32"
        np.testing.assert_array_equal(model.get_layer("pooler").bias, rounded["pooler.dense.bias"].astype("float32"))


def test_the_head_of_a_classifier_stays(tmp_path):
    model = bert_classifier(3, **SIZES)
    head = model.get_layer("classifier").get_weights()
    pretrained.load_bert_weights(model, write(tmp_path))
    np.testing.assert_array_equal(model.get_layer("pooler").bias, ARRAYS["pooler.dense.bias"])
    for weight, expected in zip(model.get_layer("classifier").get_weights(), head, strict=True):
        np.testing.assert_array_equal(weight, expected)


def test_what_does_not_fit_is_named_and_nothing_is_assigned(tmp_path):
    arrays = {name: array for name, array in ARRAYS.items() if name != "pooler.dense.bias"}
    arrays |= {"encoder.layer.7.output.dense.bias": np.zeros(8, "float32")}
    arrays |= {"encoder.layer.1.output.dense.weight": np.zeros((8, 7), "float32")}
    write(tmp_path, arrays, num_attention_heads=2)
    model = bert_encoder(**SIZES)
    before = model.get_weights()
    with pytest.raises(UserError) as raised:
        pretrained.load_bert_weights(model, tmp_path)
    assert "pooler.dense.bias is missing" in str(raised.value)
    assert "encoder.layer.7.output.dense.bias is left over" in str(raised.value)
    assert "encoder.layer.1.output.dense.weight has the shape (8, 7), and the model's (8, 6)" in str(raised.value)
    assert "it has 2 attention heads, and the model 4" in str(raised.value)
    for weight, expected in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, expected)


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"num_attention_heads": None}, "`num_heads` must be an integer of at least 1. Received: num_heads=None"),
        ({"num_attention_heads": 3}, "`hidden_dim` must be a multiple of `num_heads`, 3"),
        ({"model_type": "roberta"}, "`model_type` must be 'bert'. Received: 'roberta'"),
        ({"hidden_act": "gelu_new"}, "`hidden_act` must be 'gelu'. Received: 'gelu_new'"),
        ({"layer_norm_eps": 1e-5}, "`layer_norm_eps` must be 1e-12. Received: 1e-05"),
    ],
)
def test_other_networks_are_refused(config, sentence, tmp_path):
    with pytest.raises(UserError, match=sentence):
        pretrained.read_bert(write(tmp_path, **config))


def test_files_that_are_something_else(tmp_path):
    write(tmp_path, {"weight": np.zeros(3, "float32")})
    with pytest.raises(UserError, match="no BERT in Hugging Face's naming: it has no 'embeddings.word"):
        pretrained.read_bert(tmp_path)
    write(tmp_path)
    (tmp_path / "config.json").write_text("[1]")
    with pytest.raises(UserError, match="config.json is no JSON object"):
        pretrained.read_bert(tmp_path)
    (tmp_path / "config.json").unlink()
    with pytest.raises(UserError, match="does not say its number of attention heads"):
        pretrained.read_bert(tmp_path)
    # A model that knows it needs no config.json.
    pretrained.load_bert_weights(bert_encoder(**SIZES), tmp_path)
    (tmp_path / "model.safetensors").write_text("text")
    with pytest.raises(UserError, match="holds no weights in the format safetensors"):
        pretrained.read_bert(tmp_path)
    with pytest.raises(UserError, match="There is no .*nowhere; python -m keras_refs.fetch"):
        pretrained.read_bert(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("tokens", "sentence"),
    [
        ("[PAD] [UNK] [CLS] [SEP] a b c d", "does not fit the weights, which are for 9 tokens. Received: 8"),
        ("[PAD] [UNK] [CLS] [SEP] a b c d The", "must be of an uncased model.* Received: 'The'"),
        ("", "must hold"),
    ],
)
def test_vocabularies_that_do_not_fit(tokens, sentence, tmp_path):
    with pytest.raises(UserError, match="must be a text file"):
        pretrained.read_wordpiece(tmp_path, 9)
    (tmp_path / "vocab.txt").write_text("\n".join(tokens.split()))
    with pytest.raises(UserError, match=sentence):
        pretrained.read_wordpiece(tmp_path, 9)
