"""Where examples come from: TFDS data sets in, `tf.data` pipelines out."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["catalogue", "texts", "transcriptions"],
    submod_attrs={
        "image_classification": ["ImageDataset", "Split", "load_image_classification", "load_image_split"],
        "adding_problem": ["AddingProblem", "adding_problem_batches", "make_sequences"],
        "dates": ["date_formats", "generate_dates"],
        "calendars": ["Calendar", "load_calendar", "parse_times"],
        "pipelines": [
            "bucketed_batches",
            "evaluation_batches",
            "ordered_batches",
            "shuffled_batches",
            "training_batches",
        ],
        "series": ["SeriesDataset", "Windows", "load_series"],
        "texts": ["NgramTokens", "TextDataset", "Texts", "load_texts"],
        "transcriptions": ["Symbols", "TranscriptionDataset", "Transcriptions", "load_transcriptions", "to_arrays"],
        "tables": ["Standardization", "Table", "TableDataset", "load_table"],
    },
)
