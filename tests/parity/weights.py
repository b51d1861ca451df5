"""Copies the weights of PyTorch modules into Keras layers, one function for each kind of layer.

PyTorch is the one that gives, because it draws its biases at random too. Keras's are zeros at first, and a mistake with
them would not show.
"""

import numpy as np


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


def copy_transformer_encoder(module, model):
    """Copy a `torch.nn.TransformerEncoder` with a last normalisation into the blocks of a model of self-attention."""
    for number, block in enumerate(module.layers, start=1):
        attention = model.get_layer(f"block{number}_attention")
        heads, width = attention.num_heads, block.self_attn.embed_dim
        # PyTorch keeps the projections of query, key and value in one matrix, and the heads side by side.
        kernels = [kernel.T.reshape(width, heads, -1) for kernel in np.split(_array(block.self_attn.in_proj_weight), 3)]
        biases = [bias.reshape(heads, -1) for bias in np.split(_array(block.self_attn.in_proj_bias), 3)]
        output = block.self_attn.out_proj
        attention.set_weights(
            [weight for pair in zip(kernels, biases, strict=True) for weight in pair]
            + [_array(output.weight).T.reshape(heads, -1, width), _array(output.bias)]
        )
        copy_normalization(block.norm1, model.get_layer(f"block{number}_attention_normalization"))
        copy_normalization(block.norm2, model.get_layer(f"block{number}_feed_forward_normalization"))
        copy_dense(block.linear1, model.get_layer(f"block{number}_feed_forward"))
        copy_dense(block.linear2, model.get_layer(f"block{number}_feed_forward_output"))
    copy_normalization(module.norm, model.get_layer("final_normalization"))


def copy_normalization(module, layer):
    """Copy a `torch.nn.LayerNorm` into a `LayerNormalization`."""
    layer.set_weights([_array(module.weight), _array(module.bias)])


def _copy_recurrent(module, layers):
    assert module.num_layers == len(layers)
    for number, layer in enumerate(layers):
        kernel, recurrent_kernel, input_bias, recurrent_bias = map(_array, module.all_weights[number])
        # PyTorch adds two biases at the same place, as cuDNN does; their sum is Keras's one.
        layer.set_weights([kernel.T, recurrent_kernel.T, input_bias + recurrent_bias])


def _array(parameter):
    return parameter.detach().numpy()
