"""`labkit run`: train a network by a scheme on ranks, and say where their time went, beside what was predicted."""

from contextlib import contextmanager
from typing import Annotated

import typer

from labkit import cli_schemes as scheme_options
from labkit.cli_run import INTERRUPTED
from labkit.cli_run_report import Ran, document_of, tell
from labkit.cli_schemes import schedule_of
from labkit.cli_show import note, show_json
from labkit.cli_train import Backend, Data, Mapping, Optimizer, Rate, Root
from labkit.errors import LabError, suggest

Steps = Annotated[int, typer.Option(help="Of training; epochs begin anew as often as they must.")]
LinkName = Annotated[
    str, typer.Option("--link", help="memory (the real one), emulated:LATENCY_US,MB_PER_S, or ethernet10, fdr, ...")
]
Seed = Annotated[int, typer.Option(help="Of weights, order, dropout: the same for every scheme and number of ranks.")]
Threads = Annotated[int, typer.Option(help="Cores that each rank may use.")]
Timeout = Annotated[float, typer.Option(help="Longest time, in seconds, that any one wait may take.")]
Checkpoint = Annotated[str, typer.Option(metavar="DIR", help="Keep checkpoints here.")]
Every = Annotated[int, typer.Option("--checkpoint-every", help="Steps between them. Default: one at the end.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from the last complete one in --checkpoint DIR.")]
On = Annotated[
    str, typer.Option("--on", help="What ranks are: mpi (processes) or threads. Default: mpi; threads for one rank.")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document instead of tables.")]

KINDS = ("mpi", "threads")


def run(
    scheme: scheme_options.SchemeName,
    network: scheme_options.Network = ...,
    data: Data = "digits",
    ranks: scheme_options.Ranks = None,
    batch: scheme_options.Batch = 32,
    steps: Steps = 10,
    algorithm: scheme_options.Algorithm = None,
    bucket_bytes: scheme_options.BucketBytes = None,
    overlap: scheme_options.Overlap = None,
    micro_batches: scheme_options.MicroBatches = None,
    chunks: scheme_options.Chunks = None,
    servers: scheme_options.Servers = None,
    placement: scheme_options.Placement = None,
    mode: scheme_options.Mode = None,
    bound: scheme_options.Bound = None,
    link: LinkName = "memory",
    backend: Backend = "cpu",
    mapping: Mapping = None,
    optimizer: Optimizer = "momentum",
    lr: Rate = None,
    seed: Seed = 0,
    threads: Threads = 1,
    timeout: Timeout = 60.0,
    checkpoint: Checkpoint = None,
    checkpoint_every: Every = None,
    resume: Resume = False,
    on: On = None,
    root: Root = None,
    json: Json = False,
) -> int:
    """Train a network by a scheme on ranks, and say where their time went. Starts the ranks itself, or, started by
    mpiexec or srun, is one of them.
    """
    given = locals()
    from labkit.run.joined_run import started_by_launcher

    place = started_by_launcher()
    try:
        if place is None:
            schedule, job = _asked(given)
            result = _on_ranks(schedule, job, on)
        else:
            schedule, job, result = _among(given, place)
    except KeyboardInterrupt:
        return _interrupted(checkpoint)
    if result is None:  # another rank tells it
        return 0
    ran = Ran(scheme, schedule, job, result)
    if json:
        show_json(document_of(ran))
    else:
        tell(ran)
    return 0


def _asked(given: dict, ranks: int | None = None):
    """Schedule and job that the options ask for. ranks: as many as there are, where --ranks is left out."""
    options = {name: given[name] for name in scheme_options.NAMES}
    if given["on"] not in (None, *KINDS):
        raise LabError(f"--on {given['on']!r}", suggest(given["on"], KINDS))
    if ranks is not None and (given["ranks"] not in (None, ranks) or given["on"] == "threads"):
        what = f"{ranks} processes were started for it by a launcher, but asked for: --ranks {given['ranks']}"
        what = what if given["on"] != "threads" else f"--on threads in each of {ranks} processes"
        raise LabError(what, f"leave the option out, or start {given['ranks'] or 1} without the launcher")
    trained = _network(given["network"], given["data"], given["root"])
    schedule, _ = schedule_of(given["scheme"], trained, given["ranks"] or ranks, given["batch"], options)
    return schedule, _job(given)


def _among(given: dict, place: tuple[int, int]):
    """Schedule, job and result of a run of which this process is one rank; the result is None but on rank 0."""
    from labkit.run.joined_run import meet, run_among

    rank, ranks = place
    company, (schedule, job) = meet(lambda: _asked(given, ranks))
    with _bar(schedule, job, shown=rank == 0) as progress:
        return schedule, job, run_among(company, schedule, job, progress)


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


def _job(given: dict):
    """The `Job` that the options ask for; LabError for values out of range."""
    from labkit.engine import ops, optimizers
    from labkit.kernels.mappings import parse
    from labkit.run.job import Job

    folder, every, lr = given["checkpoint"], given["checkpoint_every"], given["lr"]
    if folder is None and (every is not None or given["resume"]):
        raise LabError("checkpoints without a folder", "add --checkpoint DIR")
    if every is None:
        every = given["steps"] if folder is not None else 0
    ops.backend(given["backend"])
    return Job(
        data=given["data"],
        data_root=given["root"],
        steps=given["steps"],
        seed=given["seed"],
        backend=given["backend"],
        mapping=None if given["mapping"] is None else parse(given["mapping"]),
        threads=given["threads"],
        optimizer=optimizers.get(given["optimizer"], **({} if lr is None else {"lr": lr})),
        timeout_s=given["timeout"],
        link=_link(given["link"]),
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


def _on_ranks(schedule, job, on: str | None):
    """The `RunResult` of ranks that are started for it."""
    from labkit.run.mpi_run import run_on_mpi

    with _bar(schedule, job) as progress:
        if on == "threads" or (on is None and schedule.size == 1):
            return _on_threads(schedule, job, progress)
        return run_on_mpi(schedule, job, progress=progress)


def _on_threads(schedule, job, progress):
    from labkit.run.hooks import Hooks
    from labkit.run.local import run_on_threads

    def told(step: int, state) -> None:
        progress((step + 1) / job.steps, f"step {step + 1} of {job.steps}")

    first = schedule.workers[0]
    return run_on_threads(schedule, job, hooks=lambda rank: Hooks(at_step_end=told if rank == first else None))


@contextmanager
def _bar(schedule, job, shown: bool = True):
    """A bar on stderr, as a function to call with (fraction done, what)."""
    from tqdm import tqdm

    with tqdm(total=job.steps, desc=schedule.scheme, unit="step", disable=None if shown else True, leave=False) as bar:
        bar.set_postfix_str("starting the ranks")

        def progress(done: float, what: str) -> None:
            bar.set_postfix_str(what, refresh=False)
            bar.update(max(0, round(done * job.steps) - bar.n))

        yield progress


def _interrupted(folder: str | None) -> int:
    from labkit.run import checkpoints

    step = checkpoints.latest(folder) if folder else None
    kept = f"the checkpoint of step {step} is in {folder} — go on with the same command and --resume"
    lost = "nothing was kept — add --checkpoint DIR and --checkpoint-every K to keep what is done"
    note(f"labkit: stopped by Ctrl-C; {lost if step is None else kept}")
    return INTERRUPTED
