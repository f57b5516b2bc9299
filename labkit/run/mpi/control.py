"""Pause, step and stop for a run of MPI ranks."""

import threading

from labkit.run.mpi.processes import Processes


class Control:
    """Holds and releases the ranks, from any thread and at any time, before the run has begun and after it is over too.

    run: while it goes on, else None.
    """

    def __init__(self, paused: bool = False):
        self.run: Processes | None = None
        self._lock = threading.Lock()
        self._held, self._stopping = paused, False
        self._owed = 0  # single steps asked for before the run has begun

    def attach(self, run: Processes | None) -> None:
        """The run that begins, or None as soon as it is over."""
        with self._lock:
            self.run = run
            if run and self._held:
                run.board.hold()
                run.board.release(self._owed)
            if run and self._stopping:
                run.board.stop()

    def pause(self) -> None:
        """Hold all ranks before one and the same step."""
        with self._lock:
            if self.run and not self._held and not self._stopping:
                self.run.board.hold()
            self._held = True

    def resume(self) -> None:
        """Let them go on."""
        with self._lock:
            if self.run and not self._stopping:
                self.run.board.release()
            self._held, self._owed = False, 0

    def step(self) -> None:
        """Let them do one more step, and hold them again."""
        self.pause()
        with self._lock:
            if self.run is None:
                self._owed += 1
            elif not self._stopping:
                self.run.board.release(1)

    def stop(self) -> None:
        """Have all ranks end before one and the same step; a run that is held ends where it is."""
        with self._lock:
            if self.run and not self._stopping:
                self.run.board.stop()
            self._stopping = True
