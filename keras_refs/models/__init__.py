"""The networks: functions that return an uncompiled functional `keras.Model`.

Nothing here imports anything but Keras, so that a builder works in any Keras 3 project, on any backend.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "convnet": ["conv_classifier"],
        "gan": ["gan_discriminator", "gan_generator"],
        "linear": ["linear_regression", "logistic_regression"],
        "perceptron": ["mlp"],
        "seq2seq": ["attention_seq2seq", "seq2seq_parts"],
        "recurrent": ["lstm_classifier", "lstm_regressor", "rnn_text_classifier", "simple_rnn_regressor"],
    },
)
# It takes a model apart; `__all__` has what builds one.
__all__.remove("seq2seq_parts")
