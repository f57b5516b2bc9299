"""The schemes by the names that the command line knows them by."""

from collections.abc import Callable
from dataclasses import dataclass
from inspect import getdoc, signature
from types import ModuleType

from labkit.errors import LabError, suggest
from labkit.network import Network
from labkit.schedule import Schedule
from labkit.schemes import allreduce, chunked, error_average, master, parameter_server, single
from labkit.schemes.cost import Cost


@dataclass(frozen=True)
class Scheme:
    """One scheme: `build` and `cost` are functions (network, ranks, batch, **options).

    options: name -> default. statement: its sharded shapes in one line. remark: on staleness or memory.
    """

    name: str
    build: Callable[..., Schedule]
    cost: Callable[..., Cost]
    options: dict[str, object]
    statement: str
    remark: str


def _scheme(module: ModuleType) -> Scheme:
    """The scheme of a file: the function of the file's own name, its cost, and what it says about itself."""
    short = module.__name__.rpartition(".")[2]
    function = getattr(module, short)
    options = {p.name: p.default for p in signature(function).parameters.values() if p.kind is p.KEYWORD_ONLY}
    statement = getdoc(module).splitlines()[0]
    return Scheme(short.replace("_", "-"), function, module.cost, options, statement, module.REMARK)


SCHEMES = {s.name: s for s in map(_scheme, (single, allreduce, master, chunked, error_average, parameter_server))}


def build(name: str, network: Network, ranks: int, batch: int, **options: object) -> Schedule:
    """The schedule of scheme `name` (a key of SCHEMES) for `ranks` ranks and a global batch.

    Raises LabError for an unknown scheme, an option that it does not take, and whatever the scheme itself refuses.
    """
    return find(name, options).build(network, ranks, batch, **options)


def cost(name: str, network: Network, ranks: int, batch: int, **options: object) -> Cost:
    """What a step of the scheme sends, in closed form. Raises LabError as `build`."""
    return find(name, options).cost(network, ranks, batch, **options)


def find(name: str, options: dict[str, object]) -> Scheme:
    """The scheme of that name. Raises LabError if there is none, or it does not take one of `options`."""
    if name not in SCHEMES:
        raise LabError(f"no scheme {name!r}", suggest(name, SCHEMES))
    scheme = SCHEMES[name]
    for option in options:
        if option not in scheme.options:
            raise LabError(f"scheme {name!r} takes no option {option!r}", _instead(scheme, option))
    return scheme


def _instead(scheme: Scheme, option: str) -> str:
    return suggest(option, scheme.options) if scheme.options else "leave it out: it takes no options"
