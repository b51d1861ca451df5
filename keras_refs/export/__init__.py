"""The SavedModel with its signatures and model card; loading it back."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "compressed": ["CompressedFunction", "load_function"],
        "conversion": ["to_litert", "to_onnx"],
        "forecaster": ["write_forecaster"],
        "image_classifier": ["write_image_classifier"],
        "image_generator": ["to_pixels", "write_image_generator"],
        "keras_model": ["load_model", "named_weights"],
        "transfer": ["copy_weights", "fits"],
        "saved_model": [
            "SavedFunction",
            "checked",
            "class_outputs",
            "predict_batch",
            "specifications",
            "write_saved_model",
        ],
        "transcriber": ["CompressedTranscriber", "SavedTranscriber", "read_symbols", "write_transcriber"],
        "version": [
            "newest_version",
            "publish",
            "read_model_card",
            "read_padded_outputs",
            "read_warm_up",
            "unfinished_version",
            "version_folder",
            "write_model_card",
            "write_padded_outputs",
            "write_warm_up",
        ],
    },
)
