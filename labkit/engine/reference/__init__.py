"""The reference backend: every layer in plain NumPy, any float type, written to be read beside the formulas.

One file per kind of layer, each with pure functions `forward`, `backward_data` and, where there are weights,
`backward_weights`: the three phases of krishna-gupta-nayak section II. With X the input, F the weights, O the output,
L the loss and f the activation:

    FP   (1)  O = f(X * F)
    BP   (2)  dL/dX = dL/dO . dO/dX      (3)  dO/dX = f'(X * F) * F
    KU   (4)  dL/dF = dL/dO . dO/dF      (5)  dO/dF = f'(X * F) * X
         (6)  F += eta . dL/dF

`X * F` is a layer (`conv`, `dense`) and so is f (`activation`): the factor f' of (3) and (5) is what BP of the
activation multiplies the gradient by before it reaches the layer with the weights. Equation (6) is in
`labkit.engine.optimizers`, with the minus sign that makes the loss fall. In the code dL/dO is `dy`, dL/dX is `dx`, and
dL/dF is `dweight` and `dbias`.

It is what every other backend is compared with, and is itself compared with finite differences. It never works in
place. Its arithmetic is that of the arrays it is given: float32, float64 or longdouble.
"""

from labkit.engine.ops import Mapping, host_backend
from labkit.engine.reference.adapter import prepare
from labkit.engine.reference.conv import conv_by_definition
from labkit.network import Network

NAME = "reference"

__all__ = ["NAME", "conv_by_definition", "prepare", "start"]


def start(network: Network, mapping: Mapping = None):
    """See `labkit.engine.ops.start`."""
    return host_backend(NAME, prepare, mapping)
