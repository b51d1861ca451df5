"""What data sets have in common."""

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class Examples:
    """Base of dataclasses whose fields are arrays or tuples with an entry for each example."""

    def __len__(self):
        return len(self.arrays[0])

    @property
    def arrays(self):
        """All fields, in order."""
        return tuple(getattr(self, field.name) for field in dataclasses.fields(self))

    def take(self, indices):
        """Return the examples at a slice or, of arrays, at an array of indices."""
        return type(self)(*(array[indices] for array in self.arrays))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dataset:
    """Examples by split, of which each tells its number by `len`, and what a data set's metadata say of them."""

    name: str
    train: Any
    validation: Any
    test: Any
    citation: str
    homepage: str

    @classmethod
    def from_builder(cls, name, builder, splits, **fields):
        """Return a data set of a name, with what a TFDS builder says of it, three splits and fields of its own kind."""
        train, validation, test = splits
        about = {"name": name, "citation": builder.info.citation, "homepage": builder.info.homepage}
        return cls(train=train, validation=validation, test=test, **about, **fields)
