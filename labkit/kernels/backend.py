"""A network's layers on kernels: the backend that `labkit.engine.ops` asks for, over any executor."""

from dataclasses import replace
from math import prod

import numpy as np

from labkit.engine.ops import LayerOps, Mapping
from labkit.errors import LabError
from labkit.kernels.device_arrays import KernelArrays
from labkit.kernels.executors import Executor
from labkit.kernels.fusion import roles
from labkit.kernels.mappings import DEFAULT, mappings_of
from labkit.kernels.ops import OPS, TUNED_OPS
from labkit.kernels.ops.norm_tuned import DoneOps, FusedAddOps, TunedNormOps
from labkit.kernels.ops.place import Place
from labkit.machine.gpus import this_gpu
from labkit.network import Layer, Network, Shape
from labkit.network.sizes import FLOAT_BYTES, activation_bytes


class KernelBackend:
    """The layers of one network on one executor; see `labkit.engine.ops.Backend`.

    mapping: for all layers or by layer, see `labkit.kernels.mappings.mappings_of`; hybrid where it is None.
    """

    def __init__(self, executor: Executor, network: Network, mapping: Mapping = None):
        self.executor, self.network = executor, network
        self.mapping = DEFAULT if mapping is None else mapping
        self.mappings = mappings_of(network, mapping)
        self._scratch: dict[str, list] = {}
        self._roles = roles(network, self.mappings)
        self._norms: dict[str, TunedNormOps] = {}
        self.arrays = KernelArrays(executor, tuned=set(self.mappings.values()) == {"tuned"})

    def prepare(
        self, name: str, layer: Layer, input_shapes: tuple[Shape, ...], batch: int, dtype: np.dtype
    ) -> LayerOps:
        """The layer called `name` for up to `batch` samples.

        Raises LabError for a float type other than float32, for a layer that has no kernel or whose filter does not fit
        the shared memory of a block, and where the batch will not fit the memory of the GPU.
        """
        if np.dtype(dtype) != np.float32:
            raise LabError(f"kernels were asked for {np.dtype(dtype).name}", "take float32")
        if name == self.network.nodes[0].name:
            self._check_memory(batch)
        if type(layer) not in OPS:
            raise LabError(f"no kernel for layer {name!r} ({layer.kind})", "take backend cpu or reference")
        mapping, needs_dx = self.mappings[name], self.network.needs_input_gradient(name)
        place = Place(name, layer, input_shapes, batch, mapping, self.executor, needs_dx, scratch=self._scratch)
        if mapping != "tuned":
            return OPS[type(layer)](place)
        if type(layer) not in TUNED_OPS:
            return OPS[type(layer)](replace(place, mapping=DEFAULT))
        return self._tuned(replace(place, aligned=self._aligned(name), gpu=this_gpu()))

    def _tuned(self, place: Place) -> LayerOps:
        """A tuned layer, by itself or in its role of a fusion. Layers come in order: a norm before its addition."""
        role = self._roles.get(place.name)
        if role is None:
            return TUNED_OPS[type(place.layer)](place)
        if role.kind == "done":
            return DoneOps(place)
        if role.kind == "add":
            side = self.network[place.name].inputs.index(role.norm)
            return FusedAddOps(place, self._norms[role.norm], side)
        self._norms[place.name] = TunedNormOps(place, role.kind)
        return self._norms[place.name]

    def _aligned(self, name: str) -> bool:
        """Whether the weights of layer `name` begin at a multiple of four values in the flat vector of all weights."""
        start = 0
        for key, shape in self.network.weights().items():
            if key == f"{name}.weight":
                return start % 4 == 0
            start += prod(shape)
        return True

    def _check_memory(self, batch: int) -> None:
        """Refuse a batch that cannot fit before anything is allocated, saying which would."""
        free = getattr(self.executor, "free_bytes", lambda: None)()
        if free is None or self._bytes(batch) <= free:
            return
        fits = batch
        while fits and self._bytes(fits) > free:
            fits //= 2
        what = f"training {self.network.name!r} with batch {batch} takes about {self._bytes(batch):,} bytes"
        instead = f"take a batch of {fits}" if fits else "take a smaller network"
        raise LabError(f"{what}, and {free:,} are free on the GPU", instead)

    def _bytes(self, batch: int) -> int:
        """What a model keeps: every output and its gradient; weights, their gradients and one slot of an optimiser."""
        return 2 * activation_bytes(self.network, batch) + 3 * FLOAT_BYTES * self.network.parameters
