"""Data as users have them: tables in CSV, TSV and Parquet files, and folders of images."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "checksums": ["checksum", "describe"],
        "times": ["read_times"],
        "series": ["read_series"],
        "reading": ["numbers", "place", "read_table", "require_column", "strings"],
    },
)
