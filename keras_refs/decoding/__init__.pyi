from .decoders import beam_decode as beam_decode
from .decoders import greedy_decode as greedy_decode
from .fast_parts import FastParts as FastParts
from .search import beam_search as beam_search
from .search import greedy_search as greedy_search
