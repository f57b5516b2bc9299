"""What the options of `labkit run` ask for: a schedule and a job."""

from labkit import cli_schemes as scheme_options
from labkit.cli_schemes import schedule_of
from labkit.errors import LabError, suggest

MPI, THREADS = "mpi", "threads"
REAL, VIRTUAL = "real", "virtual"


def asked(given: dict, ranks: int | None = None):
    """Schedule and job that the options ask for. ranks: as many as there are, where --ranks is left out."""
    options = {name: given[name] for name in scheme_options.NAMES}
    for option, known in (("on", (None, MPI, THREADS)), ("compute", (REAL, VIRTUAL))):
        if given[option] not in known:
            raise LabError(f"--{option} {given[option]!r}", suggest(given[option], [name for name in known if name]))
    if ranks is not None and (given["ranks"] not in (None, ranks) or given["on"] == THREADS):
        what = f"{ranks} processes were started for it by a launcher, but asked for: --ranks {given['ranks']}"
        what = what if given["on"] != THREADS else f"--on threads in each of {ranks} processes"
        raise LabError(what, f"leave the option out, or start {given['ranks'] or 1} without the launcher")
    trained = _network(given["network"], given["data"], given["root"])
    schedule, _ = schedule_of(given["scheme"], trained, given["ranks"] or ranks, given["batch"], options)
    return schedule, _job(given, trained)


def _network(name: str, data: str, root: str | None):
    """The network, with as many outputs as the data has classes where it is one of the zoo's."""
    from labkit.data.loading import find
    from labkit.network import load, zoo

    network = load(name)
    if len(network.input_shape) != 3:
        what = f"network {network.name!r} takes {network.input_shape[0]} values, but data sets hold images"
        raise LabError(what, "give it an input_shape [C, H, W] and begin with a flatten layer")
    if data == "synthetic" or name not in zoo.names():
        return network
    return zoo.get(name, classes=len(find(data, root, any_shape=True).classes))


def _job(given: dict, network):
    """The `Job` that the options ask for, with times of its computing that are still to be found; LabError for values
    out of range.
    """
    from labkit.engine import ops, optimizers
    from labkit.kernels.mappings import parse
    from labkit.run.job import Job
    from labkit.schedule.costs import no_compute

    folder, every, lr = given["checkpoint"], given["checkpoint_every"], given["lr"]
    if folder is None and (every is not None or given["resume"]):
        raise LabError("checkpoints without a folder", "add --checkpoint DIR")
    if every is None:
        every = given["steps"] if folder is not None else 0
    ops.backend(given["backend"])
    link = _link(given["link"])
    virtual = given["compute"] == VIRTUAL
    if virtual and (link is None or folder is not None):
        what = "over the real network" if link is None else "with checkpoints: nothing is learned"
        advice = "add --link emulated:500,100" if link is None else "leave out --checkpoint"
        raise LabError(f"--compute virtual {what}", advice)
    return Job(
        data=given["data"],
        data_root=given["root"],
        steps=given["steps"],
        seed=given["seed"],
        backend=given["backend"],
        mapping=None if given["mapping"] is None else parse(given["mapping"]),
        threads=given["threads"],
        optimizer=optimizers.get(given["optimizer"], **({} if lr is None else {"lr": lr})),
        exchange=given["exchange"],
        timeout_s=given["timeout"],
        link=link,
        compute=no_compute(network) if virtual else None,
        checkpoint_folder=folder,
        checkpoint_every=every,
        resume=given["resume"],
    )


def _link(name: str):
    """The emulated link of that name; None for the real one."""
    from dataclasses import replace

    from labkit.machine.links import MEMORY, parse_link

    link = parse_link(name)
    return None if link == MEMORY else replace(link, emulated=True)
