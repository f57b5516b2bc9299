"""What a network costs, per layer: memory for weights and activations, and work in each phase of training.

Two quantities per layer decide how training should be partitioned: the bytes of its weights (which data parallelism
must exchange once a step) and the bytes of its activations (which model parallelism must exchange for each sample).
"""

from dataclasses import asdict, dataclass
from math import prod

from labkit.errors import LabError
from labkit.network.graph import FLOAT_BYTES, Network, Node
from labkit.network.layer import Shape, is_count


@dataclass(frozen=True)
class LayerSize:
    """One row of a network's table.

    macs: multiply-accumulates of one sample's forward pass. activation_bytes: float32 output of the whole batch, 0 for
    a layer that overwrites its input (ReLU after Conv). weight_bytes: float32 weights and biases, independent of the
    batch. ratio: weight_bytes / activation_bytes, None where no new activation is stored.
    """

    name: str
    kind: str
    output_shape: Shape
    parameters: int
    macs: int
    activation_bytes: int
    weight_bytes: int
    ratio: float | None


def table(network: Network, batch: int = 1) -> list[LayerSize]:
    """One row per layer for a batch of `batch` samples, in the order of the layers."""
    check_batch(batch)
    return [_row(network, node, batch) for node in network.nodes]


def _row(network: Network, node: Node, batch: int) -> LayerSize:
    inputs = network.input_shapes(node)
    shape = network.shape(node.name)
    parameters = sum(map(prod, node.layer.weights(*inputs).values()))
    activation_bytes = 0 if node.layer.in_place else prod(shape) * batch * FLOAT_BYTES
    weight_bytes = parameters * FLOAT_BYTES
    ratio = weight_bytes / activation_bytes if activation_bytes else None
    macs = node.layer.macs(*inputs)
    return LayerSize(node.name, node.layer.kind, shape, parameters, macs, activation_bytes, weight_bytes, ratio)


def activation_bytes(network: Network, batch: int = 1) -> int:
    """Bytes of the input and of every layer's new output for a batch: what training keeps until BP has used it."""
    return prod(network.input_shape) * batch * FLOAT_BYTES + sum(r.activation_bytes for r in table(network, batch))


def training_bytes(network: Network, batch: int = 1, optimizer_slots: int = 0) -> dict[str, int]:
    """Memory of one training process by what it holds, in bytes, float32.

    weights, gradients (one per weight), optimizer (`optimizer_slots` values per weight: 1 for momentum, 2 for Adam),
    activations (kept for BP), activation_gradients (of the inputs and the output of one layer, where that is most: what
    BP holds at once in a chain; where a network branches, gradients that wait for the other branch come on top).
    """
    weights = network.parameters * FLOAT_BYTES
    return {
        "weights": weights,
        "gradients": weights,
        "optimizer": weights * optimizer_slots,
        "activations": activation_bytes(network, batch),
        "activation_gradients": _largest_layer(network) * batch * FLOAT_BYTES,
    }


def inference_bytes(network: Network, batch: int = 1) -> dict[str, int]:
    """Memory of a forward pass alone, in bytes: weights, and one layer's inputs and output, not every activation."""
    return {
        "weights": network.parameters * FLOAT_BYTES,
        "activations": _largest_layer(network) * batch * FLOAT_BYTES,
    }


def phase_macs(network: Network) -> dict[str, int]:
    """Multiply-accumulates of one sample in each phase: fp (forward), bp (input gradients), ku (weight gradients).

    BP and KU of a layer cost as much as its FP (krishna-gupta-nayak section II): the 3x rule. The exception is the
    first layer with weights: nobody needs the gradient with respect to the images, so its BP is left out.
    """
    needed = [n for n in network.nodes if network.needs_input_gradient(n.name)]
    bp = sum(n.layer.macs(*network.input_shapes(n)) for n in needed)
    return {"fp": network.macs, "bp": bp, "ku": network.macs}


def training_macs(network: Network) -> int:
    """Multiply-accumulates of training on one sample by the 3x rule: FP + BP + KU, each as large as FP."""
    return 3 * network.macs


def describe(network: Network, batch: int = 1) -> dict:
    """The JSON document of `labkit networks NAME`: sizes of the network and one row per layer."""
    return {
        "name": network.name,
        "input_shape": list(network.input_shape),
        "parameters": network.parameters,
        "macs": network.macs,
        "connections": network.connections,
        "training_macs": training_macs(network),
        "phase_macs": phase_macs(network),
        "batch": batch,
        "activation_bytes": activation_bytes(network, batch),
        "weight_bytes": network.parameters * FLOAT_BYTES,
        "layers": [asdict(row) | {"output_shape": list(row.output_shape)} for row in table(network, batch)],
    }


def check_batch(batch: object) -> None:
    """Refuse a batch size that is not a positive integer (below 2^31, as every size)."""
    if not is_count(batch):
        raise LabError(f"batch={batch!r}", "give a positive integer such as 32")


def _largest_layer(network: Network) -> int:
    """Values of the inputs and the output of one layer, where that is most."""
    return max(
        prod(network.shape(n.name)) + sum(prod(s) for s in network.input_shapes(n))
        for n in network.nodes
        if not n.layer.in_place
    )
