"""Stands in for NCCL, nccl4py and GPUs among ranks that are threads: arrays of `far_backend`, sums when all have come.

As the real ones, nothing blocks: what was asked for is taken up some looks later, and is over some looks after that.
"""

import threading
from types import SimpleNamespace

import numpy as np
from far_backend import ARRAYS, near

from labkit.run.communicators import nccl

LOOKS = 3
SUCCESS, SYSTEM_ERROR, IN_PROGRESS = 0, 2, 7


class Refused(Exception):
    """As nccl4py's errors: of no class that labkit knows."""


class Group:
    """What the communicators with one key share."""

    def __init__(self):
        self.lock = threading.Lock()
        self.members: dict[int, Communicator] = {}
        self.sums: dict[int, dict[int, np.ndarray]] = {}


class Communicator:
    """nccl.core.Communicator of one rank. Faults are those of `World.faults` for this rank."""

    def __init__(self, world, group, rank, size):
        self.world, self.group, self.rank, self.size = world, group, rank, size
        self.calls, self.looks, self.aborted, self.last = 0, 0, False, None
        self.open = threading.Event()
        group.members[rank] = self

    def get_async_error(self):
        fault = self.world.fault(self.rank)
        if fault == "fails later" and self.calls > 1:
            return SYSTEM_ERROR
        everybody = len(self.group.members) == self.size and fault != "never starts"
        self.looks += everybody
        return SUCCESS if self.looks > LOOKS and everybody else IN_PROGRESS

    def allreduce(self, source, target, operation, stream):
        assert source is target and operation == "sum" and stream == 99 and not self.aborted
        assert self.looks > LOOKS, "called before the call before was taken up"
        assert threading.current_thread() in self.world.entered, "a thread that has not entered the GPU"
        with self.group.lock:
            parts = self.group.sums.setdefault(self.calls, {})
            if not (self.calls and self.world.fault(self.rank) == "goes missing"):
                parts[self.rank] = near(source)
            self.calls, self.looks = self.calls + 1, 0
            self.last = parts
            if len(parts) == self.size:
                total = sum(parts[rank].copy() for rank in sorted(parts))
                total += self.world.fault(self.rank) == "adds up wrongly"
                for part in parts.values():
                    part[:] = total

    def abort(self):
        if self.world.fault(self.rank) == "does not let go":
            self.open.wait()
        self.aborted = True


class World:
    """One machine made up of threads. faults: rank -> what goes wrong there. cards: rank -> UUID of its GPU."""

    def __init__(self, monkeypatch, cards=("GPU-a", "GPU-b", "GPU-c", "GPU-d"), faults=None, version="2.32.3"):
        self.cards, self.faults, self.version = cards, faults or {}, version
        self.groups: dict[bytes, Group] = {}
        self.entered: set[threading.Thread] = set()
        self.communicators: list[Communicator] = []
        self._lock, self._of_thread = threading.Lock(), threading.local()
        self.core = SimpleNamespace(
            SUM="sum",
            NCCLConfig=lambda blocking: {"blocking": blocking},
            UniqueId=SimpleNamespace(from_bytes=bytes),
            get_unique_id=self._new_key,
            get_error_string=lambda state: f"error {state}",
            Communicator=SimpleNamespace(init=self._init),
        )
        monkeypatch.setitem(__import__("labkit.engine.ops", fromlist=["ops"]).BACKENDS, "cuda", "far_backend")
        monkeypatch.setattr("labkit.machine.cuda_driver.card", self._card)
        gpu = SimpleNamespace(put=ARRAYS.put, get=ARRAYS.get)
        monkeypatch.setattr("labkit.kernels.executors.here.executor", lambda name: gpu)
        monkeypatch.setattr("labkit.kernels.executors.side_line.SideLine", lambda: self)
        monkeypatch.setattr("labkit.run.gpu.nccl_start.library", self._library)

    handle = 99

    def enter(self):
        self.entered.add(threading.current_thread())

    def mark(self):
        """Of the calls so far: over when all ranks have made them."""
        communicator = self._of_thread.communicator = self._mine()
        parts, looks = communicator.last, iter(range(LOOKS))
        return lambda: len(parts) == communicator.size and next(looks, None) is None

    def fault(self, rank: int) -> str:
        return self.faults.get(rank, "")

    def _mine(self):
        return next(c for c in reversed(self.communicators) if c.rank == rank_of_thread())

    def _card(self):
        return SimpleNamespace(uuid=self.cards[rank_of_thread()], name="NVIDIA Test", visible=1)

    def _library(self):
        if self.fault(rank_of_thread()) == "is not installed":
            raise nccl.LabError("no nccl4py: No module named 'nccl'", nccl.INSTALL)
        return self.core, self.version if isinstance(self.version, str) else self.version[rank_of_thread()]

    def _new_key(self):
        return f"key {len(self.groups)}".encode()

    def _init(self, nranks, rank, unique_id, config):
        assert config == {"blocking": False}
        if self.fault(rank) == "refuses":
            raise Refused("unhandled system error")
        with self._lock:
            group = self.groups.setdefault(unique_id, Group())
            made = Communicator(self, group, rank, nranks)
            self.communicators.append(made)
        return made


def rank_of_thread() -> int:
    """Threads of a rank are named 'rank 1' and '... lane of rank 1'."""
    return int(threading.current_thread().name.rpartition(" ")[2])
