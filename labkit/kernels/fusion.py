"""Which layers of a network a tuned kernel does together: BatchNorm with the ReLU after it, or with the residual
addition and its ReLU.

    conv -> norm -> relu                    the norm's last pass applies the ReLU; the ReLU finds it done
    conv -> norm -> add(., other) -> relu   the norm only takes its sums; the addition runs the norm's last pass, which
                                            reads `other` as well, and applies the ReLU; the ReLU finds it done

Memory is what such layers cost: fused, the second pattern reads two maps and writes one where three layers would read
four and write three. BatchNorm then has no output of its own. A fused layer must be the only reader of the one before
it; and of the two inputs of an addition the norm must be the one that is computed last, so that the other is there.
"""

from dataclasses import dataclass

from labkit.network import Add, BatchNorm, Network, ReLU


@dataclass(frozen=True)
class Role:
    """What a layer does in a fusion. kind: 'relu' (norm, which applies it), 'deferred' (norm, whose last pass is the
    addition's), 'add' (the addition), or 'done' (a ReLU that another layer applies). norm: the BatchNorm's name.
    """

    kind: str
    norm: str


def roles(network: Network, mappings: dict[str, str]) -> dict[str, Role]:
    """Layer -> role, for the layers of `network` that are fused; all of a fusion's layers must be mapped to `tuned`."""
    found: dict[str, Role] = {}
    order = {node.name: i for i, node in enumerate(network.nodes)}
    for node in network.nodes:
        if not isinstance(node.layer, BatchNorm) or mappings[node.name] != "tuned":
            continue
        after = _only_reader(network, mappings, node.name)
        if after is None:
            continue
        if isinstance(network[after].layer, ReLU):
            found |= {node.name: Role("relu", node.name), after: Role("done", node.name)}
        elif isinstance(network[after].layer, Add):
            inputs = network[after].inputs
            relu = _only_reader(network, mappings, after)
            other = [name for name in inputs if name != node.name]
            computed_before = len(inputs) == 2 and len(other) == 1 and order.get(other[0], -1) < order[node.name]
            if computed_before and relu is not None and isinstance(network[relu].layer, ReLU):
                found[node.name] = Role("deferred", node.name)
                found |= {after: Role("add", node.name), relu: Role("done", node.name)}
    return found


def _only_reader(network: Network, mappings: dict[str, str], name: str) -> str | None:
    """The one layer that reads `name`, if there is one only and it is mapped to `tuned`."""
    readers = network.consumers(name)
    return readers[0] if len(readers) == 1 and mappings[readers[0]] == "tuned" else None
