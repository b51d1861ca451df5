"""How English words are pronounced: the CMU Pronouncing Dictionary."""
