"""Data as users have them: tables in CSV, TSV and Parquet files, and folders of images.

Nothing here imports TensorFlow. What is wrong with a file is a `UserError` that says where: file, line, column, value.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
