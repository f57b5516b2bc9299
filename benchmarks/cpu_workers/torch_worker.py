"""Training steps of PyTorch on the CPU, for `cpu_engine.py`; see `protocol.py`.

The network is the zoo's own graph, layer by layer, so that both sides do the same work: cross-entropy on the logits and
SGD with momentum, in PyTorch's fused form. Memory format and everything else are PyTorch's defaults.
"""

from collections.abc import Callable

import protocol
import torch
from torch import nn

from labkit.network import INPUT, Network, zoo

MODULES = {
    "conv": lambda c, k, layer: nn.Conv2d(
        c, layer.K, (layer.R, layer.S), layer.stride, layer.padding, groups=layer.groups, bias=layer.bias
    ),
    "dense": lambda c, k, layer: nn.Linear(c, layer.K, layer.bias),
    "maxpool": lambda c, k, layer: nn.MaxPool2d((layer.R, layer.S), layer.stride, layer.padding),
    "avgpool": lambda c, k, layer: nn.AvgPool2d((layer.R, layer.S), layer.stride, layer.padding),
    "batchnorm": lambda c, k, layer: nn.BatchNorm2d(c, layer.epsilon, layer.momentum),
    "relu": lambda c, k, layer: nn.ReLU(inplace=True),
    "tanh": lambda c, k, layer: nn.Tanh(),
    "dropout": lambda c, k, layer: nn.Dropout(layer.rate),
    "flatten": lambda c, k, layer: nn.Flatten(),
}


class Graph(nn.Module):
    """A network of the zoo without its softmax, which the loss contains."""

    def __init__(self, network: Network):
        super().__init__()
        self.network = network
        self.parts = nn.ModuleDict()
        for node in network.nodes:
            if node.layer.kind in MODULES:
                self.parts[node.name] = MODULES[node.layer.kind](network.input_shapes(node)[0][0], None, node.layer)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        outputs = {INPUT: x}
        for node in self.network.nodes:
            if node.layer.kind == "softmax":
                return outputs[node.inputs[0]]
            inputs = [outputs[source] for source in node.inputs]
            outputs[node.name] = torch.add(*inputs) if node.layer.kind == "add" else self.parts[node.name](*inputs)
        return outputs[self.network.output]


def prepare() -> Callable[[], None]:
    name, batch, threads = protocol.arguments()
    torch.set_num_threads(threads)
    torch.manual_seed(protocol.SEED)
    network = zoo.get(name)
    model = Graph(network)
    if sum(p.numel() for p in model.parameters()) != network.parameters:
        raise SystemExit(f"PyTorch's {name} has another number of parameters than labkit's")
    optimizer = torch.optim.SGD(model.parameters(), protocol.LEARNING_RATE, protocol.MOMENTUM, fused=True)
    loss = nn.CrossEntropyLoss()
    x = torch.randn(batch, *network.input_shape)
    labels = torch.randint(0, network.output_shape[0], (batch,))

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        loss(model(x), labels).backward()
        optimizer.step()

    return step


if __name__ == "__main__":
    protocol.serve(prepare, {"torch": torch.__version__})
