"""One parallel scheme per file: a function (network, ranks, batch, ...) -> Schedule, made to be read side by side.

schedule = build("allreduce", zoo.get("lenet5"), ranks=4, batch=64, algorithm="tree")
"""

from labkit.schemes.cost import Cost
from labkit.schemes.registry import SCHEMES, Scheme, build, cost

__all__ = ["SCHEMES", "Cost", "Scheme", "build", "cost"]
