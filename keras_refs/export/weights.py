"""From a SavedModel back to a Keras model, for what its signatures do not answer, such as gradients."""

import tempfile

import numpy as np

from keras_refs.errors import UserError
from keras_refs.export.function import SavedFunction


def read_weights(folder, model, write_export, inputs):
    """Give a rebuilt model the weights of an exported one, and prove that both answer the same.

    A SavedModel keeps its variables in no order, and those of half precision without names. But its signature uses
    them in an order, which is the same for every export of one network. So the rebuilt model is exported, too, with
    a number of its own in place of the weights of each variable: where that comes up, the variable's weights stand.

    Args:
        folder: The version folder.
        model: A model, built as the exported one was; its weights are replaced.
        write_export: Function of a model and an empty folder that exports the one into the other, as it was done then.
        inputs: Inputs of `serving_default` by name, to compare answers for.

    Raises:
        UserError: If the export is of another network.
    """
    saved = SavedFunction(folder)
    for number, variable in enumerate(model.variables):
        variable.assign(np.full(variable.shape, number, variable.dtype))
    with tempfile.TemporaryDirectory() as scratch:
        write_export(model, scratch)
        rebuilt = SavedFunction(scratch)
        shapes = [[tuple(variable.shape) for variable in export.variables] for export in (saved, rebuilt)]
        if shapes[0] != shapes[1]:
            raise _other_network(folder, f"its weights have the shapes {shapes[0]}, not {shapes[1]}")
        for trained, copy in zip(saved.variables, rebuilt.variables, strict=True):
            variable = model.variables[int(copy.numpy().flat[0])]
            copy.assign(trained)
            # The state of a random number generator is no weight, and need not fit into float16.
            if variable.dtype.startswith("float"):
                variable.assign(trained)
        expected, answers = saved.predict(**inputs), rebuilt.predict(**inputs)
    for name in expected.keys() & answers.keys():
        if not _same(expected[name], answers[name]):
            raise _other_network(folder, f"with the same weights it has another answer, `{name}`")


def _same(expected, answers):
    if np.issubdtype(expected.dtype, np.number):
        return np.allclose(expected, answers, rtol=1e-4, atol=1e-5)
    return np.array_equal(expected, answers)


def _other_network(folder, difference):
    return UserError(f"{folder} cannot be rebuilt from the settings on its model card: {difference}.")
