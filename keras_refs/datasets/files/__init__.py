"""Data as users have them: tables in CSV, TSV and Parquet files, and folders of images.

Nothing here imports TensorFlow. What is wrong with a file is a `UserError` that says where: file, line, column, value.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "checksums": ["checksum", "describe", "files_in"],
        "classes": ["number_classes"],
        "images": ["find_images", "load_images"],
        "reading": ["numbers", "place", "read_table", "require_column", "strings"],
        "rows": ["read_numbers", "read_pairs", "read_texts"],
        "series": ["read_series"],
        "splits": ["SPLITS", "assign_splits", "place_in", "read_tables"],
        "times": ["read_times"],
    },
)
