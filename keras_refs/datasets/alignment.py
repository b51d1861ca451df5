"""Which source symbol each target symbol is written at, found from pairs alone, for hard attention.

The model: at each source symbol x target symbols are written, the first with probability p(y | x, first), others with
p(y | x, after), until the next source symbol is read: with p(on | x, first) if nothing was written, else with p(on | x,
after). Alignments and probabilities are found in turns, from the diagonal on (Viterbi training: Juang & Rabiner 1990,
"The segmental k-means algorithm for estimating parameters of hidden Markov models").
"""

import numpy as np

BOUNDARY = 1
"""Token that ends a target, and starts it for the decoder."""
ROUNDS = 8
"""More change less than one alignment in a thousand of CMUdict."""
PAIRS_AT_ONCE = 4096
UNSEEN = 0.1
"""What is added to every count."""


def fit_alignment(
    sources: np.ndarray, targets: np.ndarray, num_source_symbols: int, num_target_symbols: int
) -> np.ndarray:
    """Return the log-probabilities of target symbols at source symbols, those of the boundary of reading on.

    They are `(2, num_source_symbols, num_target_symbols)`, of what comes first and of what comes after it.

    Args:
        sources: int tokens `(pairs, source steps)`, padded at the end with 0.
        targets: int tokens `(pairs, target steps)`, each ending with the boundary, padded at the end with 0.
        num_source_symbols: Number of source tokens, the padding included.
        num_target_symbols: Number of target tokens, the padding included.
    """
    batches = [batch for _, *batch in _batches(sources, targets)]
    steps = [_diagonal(*batch) for batch in batches]
    for _ in range(ROUNDS):
        counts = np.full((2, num_source_symbols, num_target_symbols), UNSEEN)
        for batch, steps_of_batch in zip(batches, steps, strict=True):
            _count(counts, *batch, steps_of_batch)
        log_probabilities = np.log(counts / counts.sum(axis=2, keepdims=True))
        steps = [_most_probable(log_probabilities, *batch) for batch in batches]
    return log_probabilities


def align(sources: np.ndarray, targets: np.ndarray, log_probabilities: np.ndarray, move: int) -> np.ndarray:
    """Return the targets with the token `move` wherever the next source symbol is read, int32 `(pairs, steps)`.

    The alignment is the most probable one. Sources, targets and probabilities are those of `fit_alignment`; what is
    returned ends with the boundary and is padded, too.
    """
    aligned = np.zeros((len(sources), sources.shape[1] + targets.shape[1]), np.int32)
    places = np.arange(aligned.shape[1])
    for rows, source, target in _batches(sources, targets):
        ends = np.maximum(_lengths(source) - 1, 0) + _lengths(target)
        aligned[rows] = np.where(places < ends[:, None], move, np.where(places == ends[:, None], BOUNDARY, 0))
        # Before a symbol stand those before it and a move for each source symbol.
        row, j = np.nonzero(target)
        aligned[rows[row], j + _most_probable(log_probabilities, source, target)[row, j]] = target[row, j]
    return aligned[:, : max(1, _lengths(aligned).max(initial=0))]


def _lengths(tokens):
    return np.count_nonzero(tokens, axis=1)


def _batches(sources, targets):
    """Yield the indices of some pairs of about the same length, their sources, and targets without the boundary."""
    targets = np.where(targets == BOUNDARY, 0, targets)
    order = np.lexsort((_lengths(sources), _lengths(targets)))
    for first in range(0, len(order), PAIRS_AT_ONCE):
        rows = order[first : first + PAIRS_AT_ONCE]
        yield rows, *(tokens[rows, : max(1, _lengths(tokens[rows]).max())] for tokens in (sources, targets))


def _diagonal(sources, targets):
    """Return the source step of each target step `(pairs, target steps)` if all were written at the same pace."""
    paces = _lengths(sources) / np.maximum(_lengths(targets), 1)
    return np.minimum(np.arange(targets.shape[1]) * paces[:, None], sources.shape[1] - 1).astype(int)


def _count(counts, sources, targets, steps):
    """Add how often each symbol is written at each source symbol, and how often it is read on there."""
    rows, j = np.nonzero(targets)
    after = (j > 0) & (steps[rows, j] == steps[rows, j - 1])
    np.add.at(counts, (after.astype(int), sources[rows, steps[rows, j]], targets[rows, j]), 1)
    written = np.zeros(sources.shape, int)
    written[rows, steps[rows, j]] = 1
    rows, i = np.nonzero(sources)
    np.add.at(counts, (written[rows, i], sources[rows, i], BOUNDARY), 1)


def _most_probable(log_probabilities, sources, targets):
    """Return the source step at which each target symbol is written `(pairs, target steps)`."""
    logs = log_probabilities.copy()
    logs[:, 0], logs[:, :, 0] = -np.inf, -np.inf
    move, write = logs[:, sources.T, BOUNDARY], logs[:, sources.T[:, None], targets.T]
    best = _best_scores(move, write)
    steps, pairs = np.zeros(targets.shape, int), np.arange(len(sources))
    # From the end back; `state` is 1 where something has been written at source step i, j symbols in all.
    i, j, state = _lengths(sources), _lengths(targets), np.zeros(len(sources), int)
    for _ in range(sum(write.shape[1:3])):
        writes, moves = state == 1, (state == 0) & (i > 0)
        i, j = i - moves, j - writes
        steps[pairs[writes], j[writes]] = i[writes]
        last_step = np.where(writes, write[:, i, np.minimum(j, targets.shape[1] - 1), pairs], move[:, i, pairs])
        before = best[:, i, j, pairs] + last_step
        state = np.where(writes | moves, before.argmax(axis=0), state)
    return steps


def _best_scores(move, write):
    """Return the log-probability of the best way to have read i and written j symbols, `(2, i, j, pairs)`.

    The first are those where nothing has been written at source step i yet.
    """
    _, source_steps, target_steps, pairs = write.shape
    best = np.full((2, source_steps + 1, target_steps + 1, pairs), -np.inf)
    best[0, 0, 0] = 0
    for i in range(source_steps + 1):
        if i:
            best[0, i] = (best[:, i - 1] + move[:, i - 1, None]).max(axis=0)
        for j in range(1, target_steps + 1 if i < source_steps else 0):
            best[1, i, j] = (best[:, i, j - 1] + write[:, i, j - 1]).max(axis=0)
    return best
