"""Rules that the list of one rank must keep by itself: the order of FP and BP, and what may be added up.

All layers forward in their order, then backward in the reverse order, every micro-batch once; weights are never added.
"""

from labkit.schedule.instruction import ADD, Instruction
from labkit.schedule.pieces import layer_ranges
from labkit.schedule.rules.faults import Fault, fault
from labkit.schedule.schedule import Schedule


def order_faults(schedule: Schedule) -> list[Fault]:
    """Faults of the order of FP and BP on each rank, and of added weights."""
    found = []
    lowest = next((n for n, part in enumerate(layer_ranges(schedule.network)) if part.values), 0)
    for rank in range(schedule.size):
        found += _passes(schedule, rank, lowest)
        added = ("weights are added up", "add up gradients; weights only replace weights")
        found += [
            fault(schedule, "maths", rank, n, 0, *added)
            for n, i in enumerate(schedule.ranks[rank])
            if i.item == "w" and (i.how == ADD or i.op in ("allreduce", "reduce"))
        ]
    return found


def _passes(schedule: Schedule, rank: int, lowest: int) -> list[Fault]:
    """FP and BP of one rank. lowest: the first layer with weights; BP below it computes nothing that is used."""
    layers, share = len(schedule.network), schedule.shares[rank]
    risen, fallen = [0] * len(share), [layers] * len(share)  # layers that FP has done, and that BP has still to do
    last = [0] * len(share)  # position of the last instruction of each micro-batch
    found = []
    for position, i in enumerate(schedule.ranks[rank]):
        if i.op not in ("F", "B"):
            continue
        what = (_forward if i.op == "F" else _backward)(i, risen[i.micro], fallen[i.micro], layers)
        if what:
            found.append(fault(schedule, "maths", rank, position, 0, *what))
        last[i.micro] = position
        if i.op == "F":
            risen[i.micro] = i.layers[1]
        else:
            risen[i.micro], fallen[i.micro] = layers, i.layers[0]
    for micro, samples in enumerate(share):
        if samples and (what := _unfinished(micro, risen[micro], fallen[micro], layers, lowest)):
            found.append(fault(schedule, "maths", rank, last[micro], 0, *what))
    return found


def _forward(i: Instruction, risen: int, fallen: int, layers: int) -> tuple[str, str] | None:
    """What is wrong with an F, and what to type instead."""
    first, mark = i.layers[0], f"#{i.micro}" if i.micro else ""
    if first > risen:
        what = f"FP of micro-batch {i.micro} skips the layers {risen}:{first}"
        return what, f"put 'F{risen}:{first}{mark}' before it"
    if first < risen:
        again = "is over" if risen == layers else f"has come to layer {risen}"
        return f"FP of micro-batch {i.micro} {again}, and goes back to layer {first}", "do each layer once"
    return None


def _backward(i: Instruction, risen: int, fallen: int, layers: int) -> tuple[str, str] | None:
    """What is wrong with a B, and what to type instead."""
    end, mark = i.layers[1], f"#{i.micro}" if i.micro else ""
    if risen < layers:
        what = f"BP of micro-batch {i.micro} begins before its FP has done the layers {risen}:{layers}"
        return what, f"put 'F{risen}:{layers}{mark}' before it"
    if end < fallen:
        what = f"BP of micro-batch {i.micro} skips the layers {end}:{fallen}; it goes from the last layer down"
        return what, f"put 'B{end}:{fallen}{mark}' before it"
    if end > fallen:
        what = f"BP of micro-batch {i.micro} has gone down to layer {fallen}, and goes back up to layer {end - 1}"
        return what, "do each layer once"
    return None


def _unfinished(micro: int, risen: int, fallen: int, layers: int, lowest: int) -> tuple[str, str] | None:
    """What is missing of a micro-batch at the end of the step."""
    mark, held = f"#{micro}" if micro else "", f"micro-batch {micro}"
    if risen < layers:
        return f"{held} never goes through the layers {risen}:{layers}", f"add 'F{risen}:{layers}{mark}', and BP"
    if fallen == layers:
        return f"{held} is never back-propagated", f"add 'B0:{layers}{mark}' after their FP"
    if fallen > lowest:
        return f"BP of micro-batch {micro} ends above the layers {lowest}:{fallen}", f"add 'B0:{fallen}{mark}'"
    return None
