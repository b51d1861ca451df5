"""How well a model does and what it looks at: metrics, reference scores and figures.

Figures are written to a PNG file, `path`, without a window or the current figure of `pyplot`, so that those of a
notebook stay untouched.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
