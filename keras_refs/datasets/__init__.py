"""Where examples come from: TFDS data sets in, `tf.data` pipelines out.

Every loader takes the TFDS name of a data set, such as `"fashion_mnist"` or `"emnist/letters"`, and `data_dir`, a TFDS
data folder: by default the package's own for a bundled data set, else TFDS's default, where TFDS downloads and prepares
what is not there. Splits are those of TFDS, or slices such as `"train[:80%]"`. A loader raises `UserError` if there is
no such data set or split, or it has not the features that are needed.

Batches to train on are those of the steps `first_step <= step < last_step`, counted over all epochs. They follow from
`seed` and the step alone, so that a run that was stopped goes on with the batches of an unbroken run.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["catalogue", "texts", "transcriptions"],
    submod_attrs={
        "image_classification": [
            "ImageDataset",
            "Split",
            "evaluation_batches",
            "load_image_classification",
            "load_image_split",
            "training_batches",
        ],
        "adding_problem": ["AddingProblem", "adding_problem_batches", "make_sequences"],
        "dates": ["date_formats", "generate_dates"],
        "calendars": ["Calendar", "is_date", "load_calendar", "parse_times"],
        "pipelines": ["Dataset", "ordered_batches", "shuffled_batches"],
        "splicing": ["with_spliced"],
        "series": ["SeriesDataset", "SeriesEncoder", "Windows", "load_series"],
        "texts": [
            "NgramChannels",
            "NgramTokens",
            "TextDataset",
            "Texts",
            "load_texts",
            "text_batches",
        ],
        "transcriptions": [
            "Symbols",
            "TranscriptionDataset",
            "Transcriptions",
            "bucketed_batches",
            "count_sources",
            "load_transcription_split",
            "load_transcriptions",
            "teacher_forcing",
            "without_padding",
        ],
        "tables": ["Table", "TableDataset", "fit_scaler", "load_table", "standardize", "unstandardize"],
        "wordpiece": ["WordPiece"],
    },
)
