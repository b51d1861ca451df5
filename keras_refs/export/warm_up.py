"""Requests that a server answers for itself before it announces a version: the first ones take longest.

TensorFlow Serving reads them from `assets.extra/tf_serving_warmup_requests`; so does `keras_refs.serve`.
"""

from pathlib import Path

import tensorflow as tf
from tensorflow_serving.apis import model_pb2, predict_pb2, prediction_log_pb2

FILE = Path("assets.extra") / "tf_serving_warmup_requests"


def write_warm_up(folder, name, examples):
    """Write a request for each signature into a version folder.

    Args:
        folder: The version folder.
        name: Name of the model.
        examples: Inputs by name for each signature by name.
    """
    path = Path(folder) / FILE
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, inputs in examples.items():
            request = predict_pb2.PredictRequest(
                model_spec=model_pb2.ModelSpec(name=name, signature_name=signature),
                inputs={key: tf.make_tensor_proto(value) for key, value in inputs.items()},
            )
            log = prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))
            writer.write(log.SerializeToString())


def read_warm_up(folder):
    """Return the name of the signature and the inputs, arrays by name, of each request in a version folder."""
    path = Path(folder) / FILE
    if not path.exists():
        return []
    records = [prediction_log_pb2.PredictionLog.FromString(record.numpy()) for record in tf.data.TFRecordDataset(path)]
    requests = [record.predict_log.request for record in records]
    return [
        (request.model_spec.signature_name, {key: tf.make_ndarray(value) for key, value in request.inputs.items()})
        for request in requests
    ]
