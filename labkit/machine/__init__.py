"""What the lab runs on: this machine as data, where figures come from, the doctor, and opening JupyterLab.

>>> from labkit.machine import this_machine
>>> this_machine().usable_cores > 0
True

`bootstrap.py` is the one file that runs before anything is installed.
"""

from labkit.machine.gpu import Gpu
from labkit.machine.here import Machine, this_machine
from labkit.machine.origin import CLAIMED, MEASURED_HERE, MODELLED, recorded_on

__all__ = ["CLAIMED", "MEASURED_HERE", "MODELLED", "Gpu", "Machine", "recorded_on", "this_machine"]
