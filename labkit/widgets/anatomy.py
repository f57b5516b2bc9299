"""Network anatomy: per layer, the bytes of its weights, the bytes of its activations, and its work.

Where a layer holds more bytes of weights than of activations, exchanging activations between model parts costs less
than exchanging weight gradients between data parts, and the other way round. The view marks those layers, and lets
the batch size move the boundary.
"""

from dataclasses import asdict

import anywidget
import traitlets

from labkit.errors import LabError
from labkit.network import Network, table, zoo
from labkit.widgets._base import css, decode, encode, esm, one_of, within

KIND = "network_anatomy"
LARGEST_BATCH = 4096
DEFAULTS = {"network": "", "batch": 32, "scale": "log", "all_layers": False, "layer": ""}


class NetworkAnatomy(anywidget.AnyWidget):
    """Bars per layer; make one with `network_anatomy`.

    rows: one dict per layer (name, kind, output_shape, parameters, macs, weight_bytes, and activation_bytes of ONE
    sample). state: batch, scale ("log" or "linear"), all_layers (also those without weights), layer (the chosen one).
    """

    _esm = esm("choice.js", "toggle.js", "units.js", "anatomy.js")
    _css = css()
    rows = traitlets.List(traitlets.Dict()).tag(sync=True)
    title = traitlets.Unicode().tag(sync=True)
    largest_batch = traitlets.Int(LARGEST_BATCH).tag(sync=True)
    state = traitlets.Dict().tag(sync=True)

    def state_string(self) -> str:
        """The settings as a line; `network_anatomy(network, from_state=line)` shows the same view."""
        return encode(KIND, self.state)


def network_anatomy(
    network: Network | str | None = None,
    batch: int = 32,
    *,
    scale: str = "log",
    all_layers: bool = False,
    from_state: str | None = None,
) -> NetworkAnatomy:
    """Bars of weight bytes, activation bytes and multiply-accumulates (MAC) of every layer of a network.

    network: a Network or the name of one in the zoo; may be left out if `from_state` names one of the zoo.
    batch: samples whose activations are counted, 1 to 4096; the view rescales them itself.
    scale: "log" or "linear". all_layers: also show layers that have no weights.
    from_state: a line of `state_string()`; it overrides the other settings.
    Raises LabError for an unknown network, batch, scale or state string.
    """
    state = DEFAULTS | {"batch": batch, "scale": scale, "all_layers": bool(all_layers)}
    if from_state is not None:
        state = decode(KIND, from_state, state)
    if network is None and not state["network"]:
        raise LabError("network_anatomy() without a network", "give one, such as network_anatomy('lenet5')")
    network = network if network is not None else state["network"]
    network = network if isinstance(network, Network) else zoo.get(network)
    state["network"] = network.name
    state["batch"] = within("batch", state["batch"], 1, LARGEST_BATCH, whole=True)
    one_of("scale", state["scale"], ("log", "linear"))
    rows = [asdict(row) | {"output_shape": list(row.output_shape)} for row in table(network, 1)]
    return NetworkAnatomy(rows=rows, title=f"Anatomy of {network.name}", state=state)
