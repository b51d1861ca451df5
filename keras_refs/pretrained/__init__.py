"""Weights of trained BERT models: fetched, read into the builders, and exported.

A checkpoint is a `.safetensors` file in Hugging Face's naming, or a folder with `model.safetensors`. Beside the weights
lie `config.json`, which says the number of attention heads, as their shapes do not, and `vocab.txt`, the tokens.
`python -m keras_refs.fetch` fetches all-MiniLM-L6-v2. Reading needs `pip install 'keras_refs[bert]'`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
