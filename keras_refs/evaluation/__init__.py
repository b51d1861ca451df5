"""How well a model does: metrics and figures."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["explanations", "figures", "pictures"],
    submod_attrs={
        "attribution": ["answer_with_logits", "grad_cam", "input_gradients", "saliency"],
        "classification": ["classification_metrics", "format_classification_metrics", "roc_curve"],
        "generative": [
            "evenness",
            "frechet_distance",
            "gaussian_frechet_distance",
            "generative_metrics",
            "kernel_distance",
            "nearest_examples",
            "precision_and_recall",
        ],
        "gradients": ["gradient_norms"],
        "references": ["fit_ngram_classifier", "ridge_predictions"],
        "transcription": ["SequenceAccuracy", "confusions", "transcription_metrics"],
        "regression": ["format_regression_metrics", "regression_metrics"],
    },
)
