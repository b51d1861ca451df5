"""What every comparison with PyTorch checks."""

import numpy as np
import tensorflow as tf
import torch

# The networks are small, and more threads would only wait for one another.
torch.set_num_threads(1)

OUTPUT_TOLERANCE = 1e-5
GRADIENT_TOLERANCE = 1e-4


def enlarge(*modules):
    """Double PyTorch's initial weights, with which outputs and gradients are too small for absolute tolerances.

    The gradient of an LSTM's first steps, for one, would be smaller than its tolerance.
    """
    with torch.no_grad():
        for module in modules:
            for parameter in module.parameters():
                parameter.mul_(2)


def count_parameters(*modules):
    return sum(parameter.numel() for module in modules for parameter in module.parameters())


def check_parity(model, twin, inputs, variables=None):
    """Outputs are equal, and so is the gradient of a fixed random projection of them whose largest element is 1.

    Args:
        model: The Keras model.
        twin: The same network as a function of PyTorch tensors.
        inputs: An array that both take.
        variables: What to differentiate by, as a TensorFlow variable and a PyTorch parameter; `None` for the inputs.
    """
    tensor, twin_tensor = tf.constant(inputs), torch.tensor(inputs)
    source, twin_source = variables or (tensor, twin_tensor.requires_grad_())
    with tf.GradientTape() as tape:
        tape.watch(source)
        outputs = model(tensor)
        projection = np.random.default_rng(1).normal(size=outputs.shape).astype("float32")
        projected = tf.reduce_sum(outputs * projection)
    # An embedding's gradient comes as slices.
    gradient = tf.convert_to_tensor(tape.gradient(projected, source)).numpy()
    twin_outputs = twin(twin_tensor)
    (twin_gradient,) = torch.autograd.grad((twin_outputs * torch.tensor(projection)).sum(), twin_source)
    outputs, twin_outputs, twin_gradient = outputs.numpy(), twin_outputs.detach().numpy(), twin_gradient.numpy()

    assert np.ptp(twin_outputs, axis=0).max() > 0.01, "the outputs hardly depend on the inputs"
    _check_equal(outputs, twin_outputs, OUTPUT_TOLERANCE, "outputs")
    largest = np.abs(twin_gradient).max()
    _check_equal(gradient / largest, twin_gradient / largest, GRADIENT_TOLERANCE, "gradients")


def _check_equal(ours, theirs, tolerance, what):
    assert ours.dtype == theirs.dtype == np.float32
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance, equal_nan=False, err_msg=what)
