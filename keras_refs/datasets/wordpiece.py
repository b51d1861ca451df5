"""BERT's tokens of texts, by TensorFlow's own operations alone: a SavedModel with them needs no other library."""

import collections
import dataclasses
import functools
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import tensorflow as tf

from keras_refs.datasets.uncased import normal_forms
from keras_refs.errors import UserError

PADDING, UNKNOWN, FIRST, LAST = "[PAD]", "[UNK]", "[CLS]", "[SEP]"
CONTINUATION = "##"
LONGEST_WORD = 100
"""Characters of the longest word that is split into pieces; a longer one is unknown."""
BYTES_PER_TOKEN = 256
"""Bytes that are read of a text for each token that it may have."""

# What a character is read as: nothing, a space, a word that no token has; then come the symbols of those that have.
_NOTHING, _SPACE, _UNKNOWN_WORD, _KNOWN = range(4)
# Roots of the trie, where words begin and where they go on.
_BEGINNING, _MIDDLE = range(2)
# Code points are looked up page by page, as most pages are equal.
_PAGE = 32


@dataclasses.dataclass(frozen=True)
class WordPiece:
    """Turns texts into BERT's uncased tokens: the longest pieces of words that a vocabulary has (Devlin et al. 2019).

    They are those of Hugging Face's `BertWordPieceTokenizer(vocabulary, lowercase=True)` for every character: controls
    and whatever is not UTF-8 are dropped, letters become lower case and lose their accents, every punctuation mark and
    every CJK ideograph is a word, and a word that pieces do not add up to is `[UNK]`. Three things differ:

    - What looks like a special token, say `[CLS]`, is ordinary text, three words: no user can write a special token.
    - Capitals that Unicode 15 or later added stay capitals if the Unicode of this Python is older.
    - Marks that are kept, such as Hangul's tone marks, stay in the order in which they are written.

    Attributes:
        vocabulary: The tokens, each once, with `[PAD]` first; pieces that do not begin a word begin with `##`.

    Raises:
        UserError: If a token is empty or there twice, a special one is missing, or `[PAD]` is not the first.

    >>> tokens = WordPiece(("[PAD]", "[UNK]", "[CLS]", "[SEP]", "cafe", "##s", "!"))
    >>> tokens.encode(["Cafés!", "tea"], length=10).numpy()
    array([[2, 4, 5, 6, 3],
           [2, 1, 3, 0, 0]], dtype=int32)
    """

    vocabulary: tuple[str, ...]

    def __post_init__(self):
        object.__setattr__(self, "vocabulary", tuple(self.vocabulary))
        missing = [token for token in (PADDING, UNKNOWN, FIRST, LAST) if token not in self.vocabulary]
        if missing:
            raise UserError(
                f"A WordPiece vocabulary must hold [PAD], [UNK], [CLS] and [SEP]. Received: no {missing[0]}"
            )
        if self.vocabulary[0] != PADDING:
            raise UserError(f"Token 0 of a WordPiece vocabulary must be [PAD]. Received: {self.vocabulary[0]!r}")
        token, count = collections.Counter(self.vocabulary).most_common(1)[0]
        if count > 1 or "" in self.vocabulary:
            received = f"{token!r} {count} times" if count > 1 else f"'' as token {self.vocabulary.index('')}"
            raise UserError(
                f"Tokens of a WordPiece vocabulary must be there once and not be empty. Received: {received}"
            )

    @classmethod
    def from_file(cls, path: str | Path) -> Self:
        """Read a `vocab.txt`: UTF-8, a token a line.

        Raises:
            UserError: If it cannot be read, is not UTF-8, or is no vocabulary.
        """
        try:
            lines = Path(path).read_bytes().decode("utf-8").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"The vocabulary must be a text file in UTF-8. Received: {path} ({error})") from error
        # Other characters that end lines, such as U+2028, may be tokens.
        lines = [line.removesuffix("\r") for line in lines]
        return cls(tuple(lines if lines[-1] else lines[:-1]))

    @property
    def size(self) -> int:
        """Number of different tokens."""
        return len(self.vocabulary)

    def encode(
        self, texts: Sequence[str] | np.ndarray | tf.Tensor, length: int, pad_to_length: bool = False
    ) -> tf.Tensor:
        """Return the int32 tokens `(batch, steps)` of texts, from `[CLS]` to `[SEP]`, then 0; also within a graph.

        Args:
            texts: UTF-8 strings `(batch,)`. Only the first `256 * length` bytes of each are read, so that a huge one
                takes no longer; that leaves text out only if its tokens have more than 256 bytes each, as words of
                over a hundred characters or long runs of spaces have.
            length: Maximum number of tokens of a text, at least 2; of a longer one the first `length - 1` and `[SEP]`.
            pad_to_length: Whether `steps` is `length`; by default it is the number of tokens of the longest text.

        Raises:
            UserError: If `length` is less than 2.
        """
        if length < 2:
            raise UserError(f"`length` must be at least 2, for [CLS] and [SEP]. Received: {length}")
        return self._encode(tf.ensure_shape(tf.convert_to_tensor(texts, tf.string), [None]), length, pad_to_length)

    @functools.cached_property
    def _tables(self):
        return _Tables.of(self.vocabulary)

    @functools.cached_property
    def _encode(self):
        """A graph of its own: faster for arrays, and several signatures of a SavedModel share its tables."""
        return tf.function(self._encode_in_graph, autograph=False, reduce_retracing=True)

    def _encode_in_graph(self, texts, length, pad_to_length):
        # Strings are there anyway, and on a GPU many small operations would wait for one another.
        with tf.device("CPU:0"):
            symbols, begins, rows = self._words(tf.strings.substr(texts, 0, BYTES_PER_TOKEN * length), length - 2)
            tokens, rows = self._pieces(symbols, begins, rows)
            pieces = tf.RaggedTensor.from_value_rowids(tokens, rows, tf.shape(texts, tf.int64)[0], validate=False)
            first, last = (tf.fill([pieces.nrows(), 1], self.vocabulary.index(token)) for token in (FIRST, LAST))
            steps = length if pad_to_length else None
            padded = tf.concat([first, pieces[:, : length - 2], last], axis=1).to_tensor(shape=[None, steps])
            return tf.ensure_shape(padded, [*texts.shape, steps])

    def _words(self, texts, most):
        """Return the words of all texts, at most `most` of each, as their characters one after the other.

        Returns:
            For each character the int32 symbol, whether it begins a word, and the int64 text that it is in.
        """
        tables = self._tables
        codes = tf.strings.unicode_decode(texts, "UTF-8", errors="replace")
        page = tf.gather(tables.page_numbers, codes.flat_values // _PAGE)
        symbols = tf.gather(tables.pages, page * _PAGE + codes.flat_values % _PAGE)
        rows = tf.repeat(codes.value_rowids(), symbols.shape[1])
        symbols = tf.reshape(symbols, [-1])
        symbols, rows = _select(symbols != _NOTHING, symbols, rows)
        # A word is a symbol that is no letter, or letters that follow one another.
        is_letter = symbols >= tables.first_letter
        goes_on = is_letter[1:] & is_letter[:-1] & (rows[1:] == rows[:-1])
        begins = ~tf.concat([tf.zeros_like(is_letter[:1]), goes_on], axis=0)
        symbols, begins, rows = _select(symbols != _SPACE, symbols, begins, rows)
        # Every word has a token, and those that are left out anyway need not be looked up.
        word_rows = rows[begins]
        is_read = tf.range(tf.size(word_rows)) - tf.searchsorted(word_rows, word_rows) < most
        return _select(tf.gather(is_read, tf.cumsum(tf.cast(begins, tf.int32)) - 1), symbols, begins, rows)

    def _pieces(self, symbols, begins, rows):
        """Return the int32 tokens of words one after the other, and the text that each is in."""
        words = tf.cumsum(tf.cast(begins, tf.int32)) - 1
        is_short = tf.gather(tf.math.bincount(words) <= LONGEST_WORD, words)
        # Within a word the next symbol, at its end 0.
        following = tf.concat([tf.where(begins, 0, symbols), [0]], axis=0)
        tokens, ends = self._tables.longest_pieces(symbols, begins, following, tf.where(is_short)[:, 0])
        goes_on = (tokens >= 0) & (tf.gather(following, ends) != 0)
        starts = _follow(tf.where(begins)[:, 0], tf.where(goes_on, ends, -1))
        tokens, words, rows, begins = (tf.gather(values, starts) for values in (tokens, words, rows, begins))
        # A word is unknown as soon as a part of it is.
        is_unknown = tf.gather(tf.math.segment_min(tokens, words) < 0, words)
        tokens = tf.where(is_unknown, self.vocabulary.index(UNKNOWN), tokens)
        return _select(begins | ~is_unknown, tokens, rows)


class _Tables(NamedTuple):
    """A vocabulary as arrays.

    The nodes of its trie are counted level by level, and within a level by parent and symbol. So the edges to all nodes
    but the roots are sorted, and the place of an edge says which node it leads to.
    """

    page_numbers: np.ndarray
    """The page of each `_PAGE` code points."""
    pages: np.ndarray
    """The symbols of each code point of all pages, `(code points, 3)`, with `_NOTHING` behind them."""
    first_letter: int
    """Symbols from here on are letters, the others words by themselves."""
    base: int
    """Number of symbols."""
    edges: np.ndarray
    """Of each node after the roots `parent * base + symbol`."""
    tokens: np.ndarray
    """The token that ends at each node, -1 for none."""

    @classmethod
    def of(cls, vocabulary):
        """Return the tables of the tokens of a vocabulary."""
        _, is_word = normal_forms()
        characters = set().union(*(token.removeprefix(CONTINUATION) for token in vocabulary))
        ordered = sorted(characters, key=lambda character: (ord(character) not in is_word, character))
        first_letter = _KNOWN + sum(ord(character) in is_word for character in ordered)
        # The first letter is that which no token has.
        symbols = {c: symbol + (symbol >= first_letter) for symbol, c in enumerate(ordered, start=_KNOWN)}
        base = _KNOWN + len(symbols) + 1
        return cls(*_pages(symbols, first_letter), first_letter, base, *_trie(vocabulary, symbols, base))

    def longest_pieces(self, symbols, begins, following, starts):
        """Return for each symbol the longest piece from there on: its int32 token, -1 for none, and its int64 end.

        Args:
            symbols: int32 `(symbols,)`.
            begins: Whether each begins a word.
            following: int32 `(symbols + 1,)`, the symbols, with 0 for those that begin a word.
            starts: int64, where to look.
        """
        edges, node_tokens = tf.constant(self.edges), tf.constant(self.tokens)

        def step(starts, depth, nodes, symbols, tokens, ends):
            wanted = tf.cast(nodes, tf.int64) * self.base + tf.cast(symbols, tf.int64)
            places = tf.minimum(tf.searchsorted(edges, wanted), len(self.edges) - 1)
            starts, nodes = _select(tf.gather(edges, places) == wanted, starts, places + 2)
            found = tf.gather(node_tokens, nodes)
            piece_starts, pieces = _select(found >= 0, starts[:, tf.newaxis], found)
            tokens = tf.tensor_scatter_nd_update(tokens, piece_starts, pieces)
            ends = tf.tensor_scatter_nd_update(ends, piece_starts, piece_starts[:, 0] + depth + 1)
            return starts, depth + 1, nodes, tf.gather(following, starts + depth + 1), tokens, ends

        roots = tf.where(tf.gather(begins, starts), _BEGINNING, _MIDDLE)
        results = tf.fill(tf.shape(symbols), -1), tf.zeros_like(symbols, tf.int64)
        state = starts, tf.constant(0, tf.int64), roots, tf.gather(symbols, starts), *results
        return _while_any(step, state)[-2:]


def _trie(vocabulary, symbols, base):
    """Return the edges and tokens of a trie, as `_Tables` has them; a node is a path from a root, as a string."""
    names = str.maketrans({character: chr(symbol) for character, symbol in symbols.items()})
    tokens = {}
    for number, token in enumerate(vocabulary):
        root = _MIDDLE if token.startswith(CONTINUATION) else _BEGINNING
        tokens[chr(root) + token.removeprefix(CONTINUATION).translate(names)] = number
    paths = {path[:end] for path in tokens for end in range(2, len(path) + 1)}
    paths = [chr(_BEGINNING), chr(_MIDDLE), *sorted(paths, key=lambda path: (len(path), path))]
    nodes = {path: node for node, path in enumerate(paths)}
    edges = [nodes[path[:-1]] * base + ord(path[-1]) for path in paths[2:]]
    return np.array(edges, np.int64), np.array([-1, -1] + [tokens.get(path, -1) for path in paths[2:]], np.int32)


def _pages(symbols, unknown_letter):
    """Return `page_numbers` and `pages`, as `_Tables` has them.

    Args:
        symbols: The symbol of each character that tokens have.
        unknown_letter: That of every other letter.
    """
    forms, words = normal_forms()
    of_normal = np.full(sys.maxunicode + 1, unknown_letter, np.int32)
    of_normal[list(words)] = _UNKNOWN_WORD
    of_normal[list(map(ord, symbols))] = list(symbols.values())
    of_normal[ord(" ")] = _SPACE
    table = np.full((len(of_normal), 3), _NOTHING, np.int32)
    table[:, 0] = of_normal
    table[list(forms)] = _NOTHING
    for code, form in forms.items():
        if form:
            table[code, : len(form)] = of_normal[list(map(ord, form))]
    pages = {}
    numbers = [pages.setdefault(page.tobytes(), len(pages)) for page in table.reshape(-1, _PAGE * 3)]
    return np.array(numbers, np.int32), np.frombuffer(b"".join(pages), np.int32).reshape(-1, 3)


def _follow(starts, following):
    """Return the sorted positions that are reached from some, each leading to another, or to none, which is -1."""

    def step(starts, is_reached):
        is_reached = tf.tensor_scatter_nd_update(is_reached, starts[:, tf.newaxis], tf.ones_like(starts, tf.bool))
        starts = tf.gather(following, starts)
        return starts[starts >= 0], is_reached

    _, is_reached = _while_any(step, (starts, tf.zeros_like(following, tf.bool)))
    return tf.where(is_reached)[:, 0]


def _while_any(step, state):
    """Return the state after as many steps as it takes until its first tensor is empty."""
    shapes = tuple(tf.TensorShape([None] * value.shape.rank) for value in state)
    return tf.while_loop(lambda first, *_: tf.size(first) > 0, step, state, shape_invariants=shapes)


def _select(mask, *values):
    """Return the elements of each tensor at which the mask is true."""
    positions = tf.where(mask)[:, 0]
    return [tf.gather(value, positions) for value in values]
