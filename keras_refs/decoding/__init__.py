"""Decoding with a trained sequence-to-sequence model: greedy and beam search."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "decoders": ["beam_decode", "greedy_decode"],
        "fast_parts": ["FastParts"],
        "search": ["beam_search", "greedy_search"],
    },
)
