"""`labkit run`: train a network by a scheme on ranks, and say where their time went, beside what was predicted."""

from contextlib import contextmanager
from dataclasses import replace
from typing import Annotated

import typer

from labkit import cli_schemes as scheme_options
from labkit.cli_run import INTERRUPTED
from labkit.cli_run_asked import THREADS, asked
from labkit.cli_run_costs import known_costs
from labkit.cli_run_report import Ran, document_of, tell
from labkit.cli_show import note, show_json
from labkit.cli_train import Backend, Data, Mapping, Optimizer, Rate, Root

Steps = Annotated[int, typer.Option(help="Of training; epochs begin anew as often as they must.")]
LinkName = Annotated[
    str, typer.Option("--link", help="memory (the real one), emulated:LATENCY_US,MB_PER_S, or ethernet10, fdr, ...")
]
Seed = Annotated[int, typer.Option(help="Of weights, order, dropout: the same for every scheme and number of ranks.")]
Threads = Annotated[int, typer.Option(help="Cores that each rank may use.")]
Exchange = Annotated[
    str, typer.Option(help="All-reduces of ranks on GPUs by --algorithm mpi: nccl, host, or auto (nccl where it can).")
]
Timeout = Annotated[float, typer.Option(help="Longest time, in seconds, that any one wait may take.")]
Checkpoint = Annotated[str, typer.Option(metavar="DIR", help="Keep checkpoints here.")]
Every = Annotated[int, typer.Option("--checkpoint-every", help="Steps between them. Default: one at the end.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on from the last complete one in --checkpoint DIR.")]
On = Annotated[
    str, typer.Option("--on", help="What ranks are: mpi (processes) or threads. Default: mpi; threads for one rank.")
]
Kind = Annotated[
    str, typer.Option("--compute", help="real, or virtual: slept through as measured here, for more ranks than cores.")
]
CostsFile = Annotated[
    str, typer.Option("--costs", metavar="COSTS.json", help="Predict times with these costs, not with this machine's.")
]
Predict = Annotated[
    bool, typer.Option("--predict/--no-predict", help="Times, too; measures this machine where that was not done yet.")
]
Anew = Annotated[bool, typer.Option("--calibrate", help="Measure this machine anew, and keep that.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document instead of tables.")]


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
    exchange: Exchange = "auto",
    timeout: Timeout = 60.0,
    checkpoint: Checkpoint = None,
    checkpoint_every: Every = None,
    resume: Resume = False,
    on: On = None,
    compute: Kind = "real",
    costs: CostsFile = None,
    predict: Predict = True,
    calibrate: Anew = False,
    root: Root = None,
    json: Json = False,
) -> int:
    """Train a network by a scheme on ranks, and say where their time went. Starts the ranks itself, or, started by
    mpiexec or srun, is one of them.
    """
    given = locals()
    from labkit.run.mpi.joined_run import started_by_launcher

    place = started_by_launcher()
    try:
        ran = _alone(given) if place is None else _among(given, place)
    except KeyboardInterrupt:
        return _interrupted(checkpoint)
    if ran is None:  # another rank tells it
        return 0
    if json:
        show_json(document_of(ran))
    else:
        tell(ran)
    return 0


def _alone(given: dict) -> Ran:
    """A run of ranks that are started for it."""
    schedule, job = asked(given)
    threads = given["on"] == THREADS or (given["on"] is None and schedule.size == 1)
    known = known_costs(given, schedule, job, threads)
    job = _with_compute(job, known)
    with _bar(schedule, job) as progress:
        result = _on_threads(schedule, job, progress) if threads else _on_mpi(schedule, job, progress)
    return Ran(given["scheme"], schedule, job, result, known)


def _among(given: dict, place: tuple[int, int]) -> Ran | None:
    """A run of which this process is one rank; None but on rank 0."""
    from labkit.run.mpi.joined_run import meet, run_among

    rank, ranks = place
    company, (schedule, job) = meet(lambda: asked(given, ranks))
    known = known_costs(given, schedule, job, False, company)
    job = _with_compute(job, known)
    with _bar(schedule, job, shown=rank == 0) as progress:
        result = run_among(company, schedule, job, progress)
    return None if rank else Ran(given["scheme"], schedule, job, result, known)


def _with_compute(job, known):
    """The job, where computing is slept through for as long as it is known to take."""
    return job if job.compute is None else replace(job, compute=known.costs.compute)


def _on_mpi(schedule, job, progress):
    from labkit.run.mpi.run import run_on_mpi

    return run_on_mpi(schedule, job, progress=progress)


def _on_threads(schedule, job, progress):
    from labkit.run.local import run_on_threads
    from labkit.run.rank.hooks import Hooks

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
    from labkit.run.checkpoint import files as checkpoints

    step = checkpoints.latest(folder) if folder else None
    kept = f"the checkpoint of step {step} is in {folder} — go on with the same command and --resume"
    lost = "nothing was kept — add --checkpoint DIR and --checkpoint-every K to keep what is done"
    note(f"labkit: stopped by Ctrl-C; {lost if step is None else kept}")
    return INTERRUPTED
