"""How well a model does and what it looks at: metrics, reference scores and figures.

Figures are written to a PNG file, `path`, without a window or the current figure of `pyplot`, so that those of a
notebook stay untouched.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "attribution": ["grad_cam", "gradient_norms", "input_gradients", "remove_final_activation", "saliency"],
        "calibration": ["interval_margins", "reliable_weight"],
        "classification": [
            "classification_metrics",
            "save_confident_mistakes",
            "save_confusion_matrix",
            "save_roc_curve",
        ],
        "figures": ["save_gan_losses", "save_learning_curves", "save_memory"],
        "explanations": ["save_characters", "save_coefficients", "save_influence", "save_maps", "save_marked_values"],
        "generative": [
            "evenness",
            "frechet_distance",
            "gaussian_frechet_distance",
            "generative_metrics",
            "kernel_distance",
            "nearest_examples",
            "precision_and_recall",
        ],
        "image_grids": ["image_grid", "save_animation", "save_image"],
        "references": ["fit_ngram_classifier", "ridge_predictions"],
        "regression": [
            "regression_metrics",
            "save_error_by_step",
            "save_forecasts",
            "save_predictions",
        ],
        "score_tables": ["format_classification_metrics", "format_regression_metrics"],
        "transcription": [
            "SequenceAccuracy",
            "confusions",
            "save_attention",
            "save_confusions",
            "save_error_by_length",
            "transcription_metrics",
        ],
    },
)
