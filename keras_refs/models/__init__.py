"""The networks: functions that return an uncompiled functional `keras.Model`.

They import Keras alone, on first use, so that they work in any Keras 3 project; tests run on TensorFlow's backend. What
finds and reads trained weights is imported when weights are asked for, in `models/weights.py` and nowhere else.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "bert": ["BERT_SIZES", "bert_classifier", "bert_encoder"],
        "convnet": ["conv_classifier"],
        "gan": ["gan_discriminator", "gan_generator"],
        "linear": ["linear_regression", "logistic_regression"],
        "perceptron": ["mlp"],
        "seq2seq": ["attention_seq2seq", "seq2seq_parts"],
        "recurrent": ["lstm_classifier", "lstm_regressor", "rnn_text_classifier", "simple_rnn_regressor"],
        "transformer": ["self_attention_classifier", "self_attention_regressor"],
    },
)
# `__all__` has the builders; these are arguments of one, and what splits a model that is built.
__all__.remove("BERT_SIZES")
__all__.remove("seq2seq_parts")
