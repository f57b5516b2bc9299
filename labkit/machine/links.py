"""Links between ranks as data: latency and bandwidth, with units in the names of the fields."""

from dataclasses import dataclass

from labkit.errors import LabError


@dataclass(frozen=True)
class Link:
    """What one message costs: latency_s + bytes / bytes_per_s, where sender and receiver have `ports` ports each way.

    name: what tables call it. latency_s: seconds from the moment that the sender's port takes a message until its first
    byte can reach the receiver's port. bytes_per_s: of one port. ports: transfers that a rank can send at a time, and
    likewise receive. emulated: the run slows its messages down to these figures on purpose.

    Raises LabError for a negative latency, or a bandwidth or number of ports that is not positive.
    """

    name: str
    latency_s: float
    bytes_per_s: float
    ports: int = 1
    emulated: bool = False

    def __post_init__(self) -> None:
        if not (self.latency_s >= 0 and self.bytes_per_s > 0 and self.ports >= 1):
            what = f"link {self.name!r} with latency {self.latency_s} s, {self.bytes_per_s} bytes/s, {self.ports} ports"
            raise LabError(what, "give a latency from 0 up, a bandwidth above 0 and at least one port")

    def seconds(self, size_bytes: float) -> float:
        """Seconds of one message between two idle ranks."""
        return self.latency_s + size_bytes / self.bytes_per_s
