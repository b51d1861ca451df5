"""Exported models behind HTTP, with TensorFlow Serving's REST API."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "application": ["application"],
        "options": ["ServerOptions"],
        "repository": ["Repository"],
        "rest": ["RequestError"],
        "servable": ["Servable"],
    },
)
