"""The SavedModel with its signatures and model card; loading it back."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "image_classifier": ["SavedImageClassifier", "write_image_classifier"],
        "image_generator": ["to_pixels", "write_image_generator"],
        "model_card": ["read_model_card", "write_model_card"],
        "function": ["SavedFunction", "in_half_precision", "tell_class", "write_function"],
        "warm_up": ["read_warm_up", "write_warm_up"],
        "versions": ["new_version", "newest_version"],
        "weights": ["read_weights"],
    },
)
