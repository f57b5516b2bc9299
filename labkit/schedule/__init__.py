"""What every rank does in one step, as a value: printed, parsed, checked and timed before any process starts.

schedule = allreduce(zoo.get("lenet5"), ranks=4, batch=64)
print(schedule)
for fault in validate(schedule):
    print(fault, grid(schedule, fault), sep="\n")
"""

from labkit.schedule.document import from_document, to_document
from labkit.schedule.events import Event, Timeline
from labkit.schedule.grid import grid
from labkit.schedule.instruction import Instruction, parse, spell
from labkit.schedule.pieces import Piece
from labkit.schedule.rules.faults import Fault
from labkit.schedule.schedule import Schedule, equal_shares
from labkit.schedule.text import from_text, to_text
from labkit.schedule.validate import validate

__all__ = [
    "Event",
    "Fault",
    "Instruction",
    "Piece",
    "Schedule",
    "Timeline",
    "equal_shares",
    "from_document",
    "from_text",
    "grid",
    "parse",
    "spell",
    "to_document",
    "to_text",
    "validate",
]
