"""The costs that `labkit run` predicts times with, or sleeps through: from a file, or measured on this machine."""

from contextlib import contextmanager
from dataclasses import replace
from typing import NamedTuple

from labkit.cli_show import note
from labkit.errors import LabError

ENOUGH = 2**20  # cores: for ranks that sleep instead of computing


class Known(NamedTuple):
    """costs: None where nothing is to be predicted. source: the file that they are from; busy: whether the machine had
    other work when they were measured.
    """

    costs: object = None
    source: str = ""
    busy: bool = False


def known_costs(given: dict, schedule, job, threads_only: bool, company=None) -> Known:
    """What the options say. company: the ranks of this run, if others have started them (all of them call this).

    Measures where nothing that fits is kept, which takes seconds to a minute. Raises LabError for a file that cannot be
    read or is of another network, and where nothing is to be predicted for ranks that sleep.
    """
    virtual = job.compute is not None
    if given["costs"] is not None:
        return _from_file(given["costs"], schedule, job)
    if not given["predict"]:
        if virtual:
            raise LabError("--compute virtual with --no-predict", "leave it out, or give --costs COSTS.json")
        return Known()
    return _measured(given["calibrate"], schedule, job, threads_only, company)


def _from_file(file: str, schedule, job) -> Known:
    from labkit.schedule.costs import load_costs

    read = load_costs(file)
    if len(read.compute.layers) != len(schedule.network):
        what = f"{file} has the costs of {read.compute.network!r}, {len(read.compute.layers)} layers"
        raise LabError(what, f"calibrate {schedule.network.name!r}, which has {len(schedule.network)}")
    return Known(replace(read, link=job.link or read.link), file)


def _measured(anew: bool, schedule, job, threads_only: bool, company) -> Known:
    from labkit.run.calibration.kept import ALONE, Kept, kind_for
    from labkit.run.calibration.value import costs_for
    from labkit.schedule.costs import costs_document, costs_from

    virtual = job.compute is not None
    kind = ALONE if virtual else kind_for(schedule.size, job.threads, processes=not threads_only)
    kept = Kept(schedule.network, job.backend, job.threads, job.mapping, kind, job.link)
    first = company is None or company.rank == 0
    found = kept.read() if first and not anew else None
    if company is not None:
        measure = company.post.tell({"measure": found is None})["measure"]
        found = _measure(kept, first, company.communicator) if measure else found
    elif found is None:
        found = _measure(kept)
    cores = None if company is None else company.cores
    costs = costs_for(found, schedule, job.link, ENOUGH if virtual else cores) if first else None
    if company is not None:
        costs = costs_from(company.post.tell({"costs": costs_document(costs)} if first else {})["costs"])
    return Known(costs, str(kept.path), found is not None and found.busy)


def _measure(kept, first: bool = True, communicator=None):
    if first:
        note(f"labkit: measuring this machine for {kept.network.name}, once; --no-predict leaves it out")
    with _bar(first) as progress:
        return kept.measure(progress, communicator)


@contextmanager
def _bar(shown: bool):
    """A bar on stderr, as a function to call with (fraction done, what)."""
    from tqdm import tqdm

    form = "{desc}: {percentage:3.0f} % {bar}"
    with tqdm(total=1.0, desc="calibrating", disable=None if shown else True, leave=False, bar_format=form) as bar:

        def progress(done: float, what: str) -> None:
            bar.set_description(what, refresh=False)
            bar.update(max(0.0, min(1.0, done) - bar.n))

        yield progress
