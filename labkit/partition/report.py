"""What a plan costs, in one dictionary: the document that `labkit partition` and `labkit plan` print."""

from labkit.machine.origin import MODELLED
from labkit.network import FLOAT_BYTES
from labkit.partition.loads import loads
from labkit.partition.memory import memory
from labkit.partition.plan import Plan
from labkit.partition.volume import volume
from labkit.partition.weights import Weights


def report(plan: Plan, weights: Weights, batch: int = 32) -> dict:
    """Volume and balance of a plan for one forward pass of `batch` samples, float32; plain values, ready for JSON.

    volume_elements, volume_bytes: every value counted once; training_elements: with the gradients of BP.
    sent_bytes, received_bytes: per part. memory_bytes: per part, to train with plain SGD. loads: work of each part in
    load_unit. layers: what travels, per tensor. Raises LabError for a bad batch, or for weights of another network.
    """
    found, balance = volume(plan, batch), loads(plan, weights)
    return {
        "network": plan.network.name,
        "parts": plan.parts,
        "method": plan.method,
        "grain": plan.grain,
        "batch": batch,
        "weights": weights.name,
        "load_unit": weights.unit,
        "volume_elements": found.elements,
        "volume_bytes": found.bytes,
        "training_elements": volume(plan, batch, backward=True).elements,
        "loads": balance.work.tolist(),
        "min_load": float(balance.work.min()),
        "max_load": float(balance.work.max()),
        "max_over_avg": balance.max_over_avg,
        "empty_parts": int((balance.work == 0).sum()),
        "sent_bytes": (FLOAT_BYTES * found.sent).tolist(),
        "received_bytes": (FLOAT_BYTES * found.received).tolist(),
        "memory_bytes": memory(plan, batch).total.tolist(),
        "layers": [{"name": row.name, "what": row.what, "elements": row.elements} for row in found.rows],
        "origin": MODELLED,
    }
