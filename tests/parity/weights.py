"""Copies the weights of PyTorch modules into Keras layers, one function for each kind of layer.

PyTorch is the one that gives, because it draws its biases at random too. Keras's are zeros at first, and a mistake with
them would not show.
"""


def copy_dense(module, layer, flattened=None):
    """Copy a `torch.nn.Linear`, which has outputs first, into a `Dense`, which has inputs first.

    `flattened` is the `(height, width, channels)` of images that were flattened before the layer. PyTorch flattens them
    channels first and Keras channels last, so the inputs stand in another order.
    """
    kernel = _array(module.weight)
    if flattened:
        height, width, channels = flattened
        kernel = kernel.reshape(-1, channels, height, width).transpose(0, 2, 3, 1).reshape(len(kernel), -1)
    layer.set_weights([kernel.T, _array(module.bias)])


def copy_convolution(module, layer):
    """Copy a `torch.nn.Conv2d` (outputs, inputs, height, width) into a `Conv2D` (height, width, inputs, outputs)."""
    layer.set_weights([_array(module.weight).transpose(2, 3, 1, 0), _array(module.bias)])


def copy_embedding(module, layer):
    """Copy a `torch.nn.Embedding` into an `Embedding`."""
    layer.set_weights([_array(module.weight)])


def copy_simple_rnn(module, layers):
    """Copy a `torch.nn.RNN` into as many `SimpleRNN` layers as it has."""
    _copy_recurrent(module, layers)


def copy_lstm(module, layers):
    """Copy a `torch.nn.LSTM` into as many `LSTM` layers as it has.

    Both frameworks keep the gates in the order i, f, g, o (Keras calls g the candidate, c), so none has to move.
    """
    _copy_recurrent(module, layers)


def _copy_recurrent(module, layers):
    assert module.num_layers == len(layers)
    for number, layer in enumerate(layers):
        kernel, recurrent_kernel, input_bias, recurrent_bias = map(_array, module.all_weights[number])
        # PyTorch adds two biases at the same place, as cuDNN does; their sum is Keras's one.
        layer.set_weights([kernel.T, recurrent_kernel.T, input_bias + recurrent_bias])


def _array(parameter):
    return parameter.detach().numpy()
