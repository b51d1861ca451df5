"""From a trained sequence-to-sequence model to its answers."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "answers": ["best_answers", "greedy_answers"],
        "fast_parts": ["FastParts"],
        "search": ["beam_search", "greedy_search"],
    },
)
