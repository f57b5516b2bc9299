"""What a process of `parallel.py` does: functions that yield rows."""

from .collectives import against_library, collectives
from .counts import counts
from .faults import faults
from .overhead import overhead
from .simulator import simulator
from .speedup import speedup
from .startup import startup
from .steps import steps

WORK = {
    function.__name__: function
    for function in (counts, overhead, speedup, steps, collectives, against_library, simulator, startup, faults)
}
