"""Links between ranks as data: latency and bandwidth, with units in the names of the fields.

>>> parse_link("emulated:500,100").seconds(1e6)
0.0105
"""

from dataclasses import dataclass, field

from labkit.errors import LabError, suggest

SPELLING = "emulated:LATENCY_US,MB_PER_S"  # 1 MB is 10^6 bytes
LEAST_LATENCY_S = 200e-6  # below it, the cost of Python and of waking a sleeping process show
MOST_BYTES_PER_S = 200e6  # above it, the copies in memory do


@dataclass(frozen=True)
class Link:
    """What one message costs: latency_s + bytes / bytes_per_s, where sender and receiver have `ports` ports each way.

    name: what tables call it. latency_s: seconds from the moment that the sender's port takes a message until its first
    byte can reach the receiver's port. bytes_per_s: of one port. ports: transfers that a rank can send at a time, and
    likewise receive. emulated: the run slows its messages down to these figures on purpose. source: of the figures.

    Raises LabError for a negative latency, or a bandwidth or number of ports that is not positive.
    """

    name: str
    latency_s: float
    bytes_per_s: float
    ports: int = 1
    emulated: bool = False
    source: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if not (0 <= self.latency_s < float("inf") and 0 < self.bytes_per_s < float("inf") and self.ports >= 1):
            what = f"link {self.name!r} with latency {self.latency_s} s, {self.bytes_per_s} bytes/s, {self.ports} ports"
            raise LabError(what, "give a latency from 0 up, a bandwidth above 0 and at least one port")

    def seconds(self, size_bytes: float) -> float:
        """Seconds of one message between two idle ranks."""
        return self.latency_s + size_bytes / self.bytes_per_s


_NOTES = "field notes of this project"
_NCCL = "NVIDIA/nccl, src/graph/{topo.h, tuning.cc}"
_SOURCES = {
    "memory": f"two processes of one machine under Open MPI 5.0.11 ({_NOTES})",
    "ethernet10": f"10 Gbit/s (eserol-2019 sections 5.2 and 5.3); latency of TCP without card and switch ({_NOTES})",
    "fdr": f"FDR InfiniBand (keuper-pfreundt-2016): 56 Gbit/s in 64b/66b code; latency of a network hop ({_NCCL})",
    "opa100": f"Intel Omni-Path 100, 100 Gbit/s (eserol-2019 sections 5.2 and 5.3); latency of a network hop ({_NCCL})",
    "pcie3": f"PCI Express 3 x16 ({_NCCL})",
    "nvlink2": f"one link of NVLink 2, of which a V100 has six ({_NCCL})",
}
_FIGURES = {  # latency_s, bytes_per_s of a single message
    "memory": (0.3e-6, 8e9),
    "ethernet10": (10e-6, 10e9 / 8),
    "fdr": (2.7e-6, 56e9 * 64 / 66 / 8),
    "opa100": (2.7e-6, 100e9 / 8),
    "pcie3": (1.0e-6, 12e9),
    "nvlink2": (0.6e-6, 20e9),
}
NAMED = {name: Link(name, *figures, source=_SOURCES[name]) for name, figures in _FIGURES.items()}
MEMORY = NAMED["memory"]


def parse_link(text: str) -> Link:
    """The link that `text` spells: 'emulated:LATENCY_US,MB_PER_S', 'memory' (the real one), or a name of `NAMED`.

    Raises LabError for anything else, saying what to type.
    """
    kind, colon, figures = text.strip().partition(":")
    if not colon and kind in NAMED:
        return NAMED[kind]
    if kind != "emulated":
        raise LabError(f"there is no link {text!r}", suggest(text, (SPELLING, *NAMED)))
    try:
        latency_us, megabytes_per_s = map(float, figures.split(","))
    except ValueError:
        what = f"link {text!r} does not give a latency in microseconds and megabytes per second"
        raise LabError(what, f"write {SPELLING}, for example emulated:500,100") from None
    name = f"emulated:{latency_us:g},{megabytes_per_s:g}"
    return Link(name, latency_us / 1e6, megabytes_per_s * 1e6, emulated=True, source="chosen")


def link_of_run(link: Link) -> Link | None:
    """What a `Job` takes for `link`: None for memory, the link itself if it is emulated.

    Raises LabError for links of the literature: they are as fast as the memory that would have to play them.
    """
    if link.name == MEMORY.name:
        return None
    if not link.emulated:
        raise LabError(
            f"link {link.name!r} is too fast to be emulated within one machine",
            f"run with {SPELLING} (only the ratio of computing to network matters), or simulate it instead",
        )
    return link


def remark(link: Link) -> str:
    """What to tell about an emulated link whose figures are beyond what an emulation gets right; '' for others."""
    if not link.emulated or (link.latency_s >= LEAST_LATENCY_S and link.bytes_per_s <= MOST_BYTES_PER_S):
        return ""
    return (
        f"{link.name}: below {LEAST_LATENCY_S * 1e6:.0f} us or above {MOST_BYTES_PER_S / 1e6:.0f} MB/s the emulation's "
        "own cost shows in the times; slow the network down and the computing with it"
    )
