"""One signature of a SavedModel as a file for another runtime: LiteRT, formerly TensorFlow Lite, or ONNX Runtime."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from keras_refs.errors import UserError, first_line

if TYPE_CHECKING:
    import onnx

ELEMENT_SHAPE = {"TensorListReserve": 0, "TensorListFromTensor": 1, "TensorListStack": 1, "TensorListGetItem": 2}
"""Operations of the lists that a loop writes its steps to, and which of their inputs has the shape of a step."""


def to_litert(
    folder: str | os.PathLike,
    signature: str,
    half_precision: bool = False,
    examples: Sequence[Mapping[str, np.ndarray]] | None = None,
) -> bytes:
    """Return the bytes of a LiteRT model with a signature of the same name, which takes one example a call.

    Its weights are int8, and products are computed in integers from activations that are quantized as they come. That
    is dynamic-range quantization; with examples their ranges are fixed, which is full-integer quantization.

    Args:
        folder: The version folder of a SavedModel.
        signature: Name of the signature.
        half_precision: Whether the weights are float16 in place of int8, and all computes in float32.
        examples: Inputs by name of examples, each a batch of one, to measure the ranges of the activations with.

    Raises:
        UserError: If LiteRT lacks an operation of the signature; the message names it.
    """
    from tensorflow.lite.python import convert_phase

    with tempfile.TemporaryDirectory() as copy:
        _copy_for_one_example(Path(folder), signature, Path(copy))
        converter = tf.lite.TFLiteConverter.from_saved_model(copy, signature_keys=[signature])
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if half_precision:
            converter.target_spec.supported_types = [tf.float16]
        if examples:
            converter.representative_dataset = lambda: ((signature, example) for example in examples)
        try:
            return converter.convert()
        except (RuntimeError, ValueError, tf.errors.OpError, convert_phase.ConverterError) as error:
            raise UserError(f"LiteRT's converter refuses it: {_reason(error)}") from error


def _reason(error):
    """Return which operations the runtime lacks, if the converter says so, or the first line of what it says."""
    missing = [line for line in str(error).splitlines() if line.startswith("TF Select ops: ")]
    return f"the runtime has no {missing[0].removeprefix('TF Select ops: ')}" if missing else first_line(error)[:300]


def to_onnx(folder: str | os.PathLike, signature: str) -> onnx.ModelProto:
    """Return an `onnx.ModelProto` of a signature in float32, which takes batches of any size.

    Args:
        folder: A version folder.
        signature: Name of a signature without strings, such as `numeric`; its inputs keep their names.

    Raises:
        KeyError: If the export has no signature of that name.
    """
    from tf2onnx import convert

    loaded = tf.saved_model.load(str(folder))
    function = loaded.signatures[signature]
    inputs = function.structured_input_signature[1]
    by_position = tf.function(lambda *values: function(**dict(zip(inputs, values, strict=True))), autograph=False)
    specifications = [tf.TensorSpec(each.shape, each.dtype, name=name) for name, each in inputs.items()]
    return convert.from_function(by_position, specifications)[0]


def _copy_for_one_example(folder, signature, copy):
    """Copy a SavedModel, with one signature, as LiteRT's converter needs it.

    It knows the lists of a loop's steps only where the shape of a step is known, so that the batch has to be. Clipping
    and the integer division of int64 are written in operations that the runtime has.
    """
    from tensorflow.core.protobuf import saved_model_pb2

    saved = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    graph = saved.meta_graphs[0]
    for name in set(graph.signature_def) - {signature}:
        del graph.signature_def[name]
    nodes = {node.name: node for node in graph.graph_def.node}
    for tensor in graph.signature_def[signature].inputs.values():
        placeholder = nodes[tensor.name.split(":")[0]]
        for shape in (tensor.tensor_shape, placeholder.attr["shape"].shape):
            shape.dim[0].size = 1
    for function in graph.graph_def.library.function:
        _fix_batch(function.node_def)
        _write_out(function)
    (copy / "saved_model.pb").write_bytes(saved.SerializeToString())
    (copy / "variables").symlink_to((folder / "variables").absolute())


def _fix_batch(nodes):
    """Set what is unknown of the shape of a step to 1: it is the batch."""
    by_name = {node.name: node for node in nodes}
    for node in nodes:
        if node.op not in ELEMENT_SHAPE:
            continue
        shape = by_name[node.input[ELEMENT_SHAPE[node.op]].split(":")[0]]
        sizes = tf.make_ndarray(shape.attr["value"].tensor).copy() if shape.op == "Const" else None
        # A scalar stands for a shape of any rank.
        if sizes is not None and sizes.ndim:
            sizes[sizes < 0] = 1
            shape.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(sizes))


def _write_out(function):
    """Replace operations of a `FunctionDef` that LiteRT lacks."""
    for node in list(function.node_def):
        # Reading an attribute that is not there would add it.
        dtype = node.attr["T"].type if "T" in node.attr else None
        if node.op == "ClipByValue":
            value, low, high = node.input
            _add(function, f"{node.name}/maximum", "Maximum", [value, low], T=dtype)
            _become(function, node, "Minimum", [f"{node.name}/maximum:z:0", high], "output:0", "z:0", T=dtype)
        elif node.op == "FloorDiv" and dtype == tf.int64.as_datatype_enum:
            narrow, wide = {"SrcT": dtype, "DstT": tf.int32.as_datatype_enum}, {"SrcT": tf.int32.as_datatype_enum}
            for index, value in enumerate(node.input):
                _add(function, f"{node.name}/operand{index}", "Cast", [value], **narrow)
            operands = [f"{node.name}/operand{index}:y:0" for index in range(2)]
            _add(function, f"{node.name}/quotient", "FloorDiv", operands, T=tf.int32.as_datatype_enum)
            _become(function, node, "Cast", [f"{node.name}/quotient:z:0"], "z:0", "y:0", **wide, DstT=dtype)


def _add(function, name, operation, inputs, **types):
    node = function.node_def.add(name=name, op=operation, input=inputs)
    for key, value in types.items():
        node.attr[key].type = value


def _become(function, node, operation, inputs, output, new_output, **types):
    """Give a node another operation, and all that read its output the new one's."""
    name = node.name
    node.Clear()
    node.name, node.op = name, operation
    node.input.extend(inputs)
    for key, value in types.items():
        node.attr[key].type = value
    old, new = f"{name}:{output}", f"{name}:{new_output}"
    for other in function.node_def:
        for index, value in enumerate(other.input):
            if value == old:
                other.input[index] = new
    for key, value in function.ret.items():
        if value == old:
            function.ret[key] = new
