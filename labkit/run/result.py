"""What a run gives: weights, losses, staleness, the ledger and the timeline, whatever it ran on."""

from dataclasses import dataclass

import numpy as np

from labkit.schedule.events import Timeline
from labkit.schedule.staleness import Stale
from labkit.schedule.traffic import Traffic


@dataclass(frozen=True)
class RankUse:
    """Where the time of one rank went, in seconds: computing, communicating (main lane), idle (waiting or done).

    messages_sent, bytes_sent: payload, from the ledger. memory_bytes: high-water mark of the process (None where ranks
    are threads of one). gpu: name of the GPU that it computed on, None without one; shares_gpu_with: other ranks on the
    same one.
    """

    rank: int
    compute_s: float
    communicate_s: float
    idle_s: float
    messages_sent: int
    bytes_sent: int
    memory_bytes: int | None
    gpu: str | None = None
    shares_gpu_with: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class RunResult:
    """losses: mean loss of each global batch, [steps]; () where computing was slept through. parameters: flat vector of
    all weights after the last step, as rank 0 (or the servers) hold it. state: running statistics of BatchNorm,
    averaged over the ranks that compute. traffic: the ledger over all steps. seconds: of the steps, without start and
    end. cpu_share: of the cores, that all ranks together took. remarks: sentences for people.
    """

    scheme: str
    network: str
    ranks: int
    batch: int
    steps: int
    seconds: float
    losses: tuple[float, ...]
    parameters: np.ndarray
    state: np.ndarray
    staleness: tuple[Stale, ...]
    traffic: Traffic
    timeline: Timeline
    use: tuple[RankUse, ...]
    communicator: str
    remarks: tuple[str, ...] = ()
    cpu_share: float = 0.0

    @property
    def parameters_l2(self) -> float:
        """Euclidean norm of all parameters, so that runs can be compared."""
        return float(np.sqrt(np.sum(np.square(self.parameters, dtype=np.float64))))
