"""Tags keep apart the messages of different items between two ranks, so that lanes may run side by side."""

from labkit.schedule import Instruction

_KINDS = {"g": 0, "w": 1, "e": 2}
HEADER = 1  # a server's bookkeeping: who pushes what, computed from which version
BARRIER = 2
CONTROL = 3  # stop, checkpoint, final weights
STAMP = 4  # of an emulated network: when a message was sent
ROUND = 5  # words of all ranks to all, before a run begins
_FIRST = 8
_VERSION = 3  # beside the three kinds of a piece


def tag_of(instruction: Instruction) -> int:
    """Tag of the messages of an instruction: the same for the same gradients or weights on all ranks."""
    return _FIRST + 4 * instruction.piece + _KINDS[instruction.item]


def version_tag(piece: int) -> int:
    """Tag of the bookkeeping that goes before a server's answer: the version of the weights of that piece."""
    return _FIRST + 4 * piece + _VERSION


def carries_payload(tag: int) -> bool:
    """Whether messages of this tag are counted and take the time of their bytes; the others are bookkeeping."""
    return tag >= _FIRST and (tag - _FIRST) % 4 != _VERSION


def slowed_down(tag: int) -> bool:
    """Whether an emulated link holds messages of this tag back. A server's headers are, though they take no time of a
    port: it must hear of pushes in the order in which their gradients come, or it waits for the wrong one.
    """
    return carries_payload(tag) or tag == HEADER
