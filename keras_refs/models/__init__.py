"""The networks: functions that return an uncompiled functional `keras.Model`.

Nothing here imports anything but Keras, so that a builder works in any Keras 3 project, on any backend.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={"convnet": ["conv_classifier"]})
