import numpy as np

from keras_refs import evaluation


def test_ridge_finds_a_linear_rule_and_takes_the_weakest_penalty_for_it():
    inputs = np.random.default_rng(0).normal(size=(300, 4))
    targets = inputs @ np.arange(8).reshape(4, 2) + 5
    predictions = evaluation.ridge_predictions(
        (inputs[:100], targets[:100]), (inputs[100:200], targets[100:200]), inputs[200:]
    )
    np.testing.assert_allclose(predictions, targets[200:], atol=1e-2)


def test_ridge_of_noise_is_the_mean():
    """Only the strongest penalty does no harm."""
    generator = np.random.default_rng(0)
    inputs, targets = generator.normal(size=(120, 40)), generator.normal(size=(120, 1)) + 3
    predictions = evaluation.ridge_predictions((inputs[:60], targets[:60]), (inputs[60:], targets[60:]), inputs)
    assert predictions.shape == (120, 1)
    np.testing.assert_allclose(predictions, 3, atol=0.5)


def test_ngrams_identify_languages():
    texts = ["the house is green", "das Haus ist gelb", "the tree", "der Baum"]
    model = evaluation.fit_ngram_classifier(texts, [0, 1, 0, 1])
    assert model.predict(["the cat", "das ist"]).tolist() == [0, 1]
