"""The launches of a layer, explained: what a training step would start for it, and what that does on a GPU."""

from labkit.errors import LabError, suggest
from labkit.kernels.costs import COSTS, modelled
from labkit.kernels.executors.rehearsal import Started
from labkit.kernels.experiments.sources import phase_of, rehearse
from labkit.kernels.explain import Explanation, explain
from labkit.kernels.launch import TEACHING
from labkit.kernels.registers import kernel_name, registers_of, shared_bytes_of
from labkit.machine.gpus import GpuData
from labkit.network import Conv, Network, load

PHASES = ("fp", "bp", "ku")


def explain_layer(
    network: str | Network, layer: str | None, mapping: str, batch: int, gpu: GpuData, phase: str = "fp"
) -> Explanation:
    """The launch that does the work of one layer in one phase, explained for `gpu`.

    layer: the first convolution where it is None. Where a phase has several launches (zeros first, then sums), the one
    with the longest modelled time counts. Raises LabError for unknown names, and for a layer that does nothing in that
    phase (the first layer has no BP, a pool no KU).
    """
    network = load(network) if isinstance(network, str) else network
    for what, name, known in (("mapping", mapping, TEACHING), ("phase", phase, PHASES)):
        if name not in known:
            raise LabError(f"unknown {what} {name!r}", suggest(name, known))
    layer = layer or next((n.name for n in network.nodes if isinstance(n.layer, Conv)), network.nodes[0].name)
    names = [node.name for node in network.nodes]
    if layer not in names:
        raise LabError(f"{network.name!r} has no layer {layer!r}", suggest(layer, names))
    started = [s for s in rehearse(network, batch, mapping) if s.launch.layer == layer]
    fitting = [s for s in started if phase_of(s.kernel.__name__) == phase]
    if not fitting:
        has = ", ".join(dict.fromkeys(phase_of(s.kernel.__name__) for s in started)) or "no launch at all"
        raise LabError(f"layer {layer!r} of {network.name!r} does nothing in phase {phase!r}", f"it has: {has}")
    main = max(fitting, key=lambda one: _seconds(one, gpu))
    kernel = kernel_name(main.kernel)
    registers, shared = (of(main.kernel, gpu.capability) for of in (registers_of, shared_bytes_of))
    return explain(main.launch, registers, gpu, layer, mapping, kernel, shared)


def _seconds(one: Started, gpu: GpuData) -> float:
    """Modelled seconds, 0 for a kernel that only fills or copies."""
    if kernel_name(one.kernel).rpartition("_")[0] not in COSTS:
        return 0.0
    return modelled(one.kernel, one.launch, one.arguments, gpu).seconds
