"""What every rank does in one step, as a value: printed, parsed, checked and timed before any process starts.

schedule = allreduce(zoo.get("lenet5"), ranks=4, batch=64)
print(schedule)
"""

from labkit.schedule.events import Event, Timeline
from labkit.schedule.instruction import Instruction, parse, spell
from labkit.schedule.pieces import Piece
from labkit.schedule.schedule import Schedule, equal_shares

__all__ = ["Event", "Instruction", "Piece", "Schedule", "Timeline", "equal_shares", "parse", "spell"]
