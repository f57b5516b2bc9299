"""Layers as single functions: one call, one phase of one layer, with all its sizes as arguments.

The long form has the signature of krishna-gupta-nayak section VI.A.2, e.g.

    conv_forward(N, C, H, W, K, R, S, pad_H, pad_W, str_H, str_W, out_H, out_W, function, input, weight, bias, output)

The short form takes a layer record, and keeps its arrays from call to call:

>>> import numpy as np
>>> from labkit.kernels import executor
>>> from labkit.kernels.primitives import define
>>> from labkit.network import Conv
>>> conv = define(Conv(6, 5), (1, 28, 28), batch=4, mapping="model", on=executor("cpu"))
>>> ones = np.ones((4, 1, 28, 28), np.float32)
>>> y = conv.forward(ones, weight=np.ones((6, 1, 5, 5), np.float32), bias=np.zeros(6, np.float32))
>>> y.shape, float(y[0, 0, 0, 0])
((4, 6, 24, 24), 25.0)
>>> conv.launches[0].phase, conv.launches[0].launch.blocks
('FP', 6)
"""

from labkit.kernels.primitives.convolution import conv_backward_data, conv_backward_weights, conv_forward
from labkit.kernels.primitives.define import Defined, define
from labkit.kernels.primitives.dense import dense_backward_data, dense_backward_weights, dense_forward
from labkit.kernels.primitives.elementwise import activation_backward, activation_forward, residual_add
from labkit.kernels.primitives.normalisation import (
    batch_norm_backward,
    batch_norm_forward_inference,
    batch_norm_forward_training,
)
from labkit.kernels.primitives.pooling import (
    average_pool_backward,
    average_pool_forward,
    max_pool_backward,
    max_pool_forward,
)
from labkit.kernels.primitives.training import sgd_momentum, softmax_cross_entropy

__all__ = [
    "Defined",
    "activation_backward",
    "activation_forward",
    "average_pool_backward",
    "average_pool_forward",
    "batch_norm_backward",
    "batch_norm_forward_inference",
    "batch_norm_forward_training",
    "conv_backward_data",
    "conv_backward_weights",
    "conv_forward",
    "define",
    "dense_backward_data",
    "dense_backward_weights",
    "dense_forward",
    "max_pool_backward",
    "max_pool_forward",
    "residual_add",
    "sgd_momentum",
    "softmax_cross_entropy",
]
