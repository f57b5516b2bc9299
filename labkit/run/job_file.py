"""A job and its schedule as JSON, which is how they reach the ranks."""

from dataclasses import asdict, fields

from labkit.engine import optimizers
from labkit.errors import LabError
from labkit.machine.links import Link
from labkit.run.job import Job
from labkit.schedule import Schedule
from labkit.schedule.costs import Costs, costs_document, costs_from
from labkit.schedule.document import from_document as schedule_from
from labkit.schedule.document import to_document as schedule_document


def to_document(schedule: Schedule, job: Job) -> dict:
    """Both as one JSON object. Raises LabError for a mapping that JSON cannot hold."""
    if job.mapping is not None and not isinstance(job.mapping, str | dict):
        raise LabError(f"mapping={job.mapping!r}", "name a mapping, or give a dict from layer to mapping")
    plain = {field.name: getattr(job, field.name) for field in fields(job)}
    plain["optimizer"] = {"name": job.optimizer.name} | asdict(job.optimizer)
    plain["link"] = asdict(job.link) if job.link else None
    plain["compute"] = costs_document(Costs(job.compute, job.link)) if job.compute else None
    return {"job": plain, "schedule": schedule_document(schedule)}


def from_document(document: dict) -> tuple[Schedule, Job]:
    """What `to_document` was given."""
    plain = dict(document["job"])
    plain["optimizer"] = optimizers.get(**plain["optimizer"])
    plain["link"] = Link(**plain["link"]) if plain["link"] else None
    plain["compute"] = costs_from(plain["compute"]).compute if plain["compute"] else None
    plain["slowed_s"] = tuple(plain["slowed_s"])
    return schedule_from(document["schedule"]), Job(**plain)
