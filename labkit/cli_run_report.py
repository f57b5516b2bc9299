"""What `labkit run` prints: one JSON document, or tables with the predicted figures beside the measured ones."""

from typing import NamedTuple

from labkit.cli_show import show, show_table


class Ran(NamedTuple):
    """A run that is over. scheme: as it was typed. schedule, job, result: see `run`. known: a `cli_run_costs.Known`."""

    scheme: str
    schedule: object
    job: object
    result: object
    known: object


def document_of(ran: Ran) -> dict:
    """The keys of the contract, and more."""
    result, timeline = ran.result, ran.result.timeline
    fault = fault_of(ran.schedule)
    return {
        "scheme": ran.scheme,
        "network": result.network,
        "data": ran.job.data,
        "ranks": result.ranks,
        "batch": result.batch,
        "steps": result.steps,
        "backend": ran.job.backend,
        "optimizer": ran.job.optimizer.name,
        "lr": ran.job.optimizer.lr,
        "seed": ran.job.seed,
        "threads": ran.job.threads,
        "regime": timeline.regime,
        "origin": timeline.origin,
        "link": timeline.link,
        "communicator": result.communicator,
        "cores": timeline.cores,
        "oversubscribed": timeline.oversubscribed,
        "exact": fault is None,
        "fault": fault,
        "seconds": result.seconds,
        "loss": result.losses,
        "parameters_l2": result.parameters_l2,
        "staleness": staleness_of(result),
        "per_rank": [_row(use) for use in result.use],
        "cpu_share": result.cpu_share,
        "remarks": result.remarks,
        "predicted": _predicted(ran),
    }


def staleness_of(result) -> dict:
    """How old the weights were that parameter servers' updates were computed with, in updates."""
    found = [one.staleness for one in result.staleness]
    return {"count": len(found), "mean": sum(found) / len(found) if found else 0.0, "max": max(found, default=0)}


def fault_of(schedule) -> str | None:
    """Why its steps are not those of one process with the whole batch; None if they are."""
    from labkit.schedule.validate import validate

    faults = [fault for fault in validate(schedule) if fault.kind == "maths"]
    if faults:
        return str(faults[0])
    modes = sorted({i.how for program in schedule.ranks for i in program if i.op == "serve"} - {"sync"})
    if modes:
        return f"gradients may be those of older weights: the servers' mode is {modes[0]}"
    return None


def _row(use) -> dict:
    times = {"compute": use.compute_s, "communicate": use.communicate_s, "idle": use.idle_s}
    sent = {"messages_sent": use.messages_sent, "bytes_sent": use.bytes_sent}
    place = {"gpu": use.gpu, "shares_gpu_with": use.shares_gpu_with}
    return {"rank": use.rank, **times, **sent, "memory_bytes": use.memory_bytes, **place}


def _predicted(ran: Ran) -> dict:
    """Counts are always known; times only with costs."""
    from labkit.machine.origin import MODELLED
    from labkit.schedule.forecast import forecast
    from labkit.schedule.traffic import traffic

    steps, known = ran.result.steps, ran.known
    sent = traffic(ran.schedule).times(steps)
    found = {"seconds": None, "messages": sent.messages, "bytes": sent.bytes, "origin": None, "per_rank": None}
    if known.costs is None:
        return found
    told = forecast(ran.schedule, known.costs, steps)
    rows = [
        {
            "rank": row.rank,
            "compute": row.compute_s,
            "communicate": row.communicate_s,
            "idle": row.idle_s,
            "messages_sent": row.messages,
            "bytes_sent": row.bytes,
        }
        for row in told.ranks
    ]
    found |= {"seconds": told.seconds, "origin": MODELLED, "per_rank": rows}
    return found | {"costs": known.source, "busy": known.busy}


def tell(ran: Ran) -> None:
    """Tables and remarks for people."""
    found = document_of(ran)
    names, keys = ("computing, s", "communicating, s", "idle, s"), ("compute", "communicate", "idle")
    told = found["predicted"]["per_rank"]
    rows = []
    for number, row in enumerate(found["per_rank"]):
        cells = [_beside(row[key], told[number][key] if told else None) for key in keys]
        memory = None if row["memory_bytes"] is None else round(row["memory_bytes"] / 2**20)
        rows.append([row["rank"], *cells, row["messages_sent"], row["bytes_sent"], memory])
    head = f"{ran.result.scheme}: {found['network']} on {found['data']}, batch {found['batch']}, {found['ranks']} ranks"
    columns = ("rank", *(f"{name} (predicted)" if told else name for name in names))
    columns += ("messages sent", "bytes sent", "memory, MiB")
    where = f"{found['communicator']}, link {found['link']}; regime: {found['regime']} [{found['origin']}]"
    show_table(f"{head}; {found['steps']} steps", columns, rows, where)
    show("\n".join(_remarks(found)))


def _beside(measured: object, predicted: object) -> str:
    """Two figures as the text of one cell."""
    from labkit.cli_show import cell

    return cell(measured) if predicted is None else f"{cell(measured)} ({cell(predicted)})"


def _remarks(found: dict) -> list[str]:
    """Sentences below the table."""
    predicted, seconds, steps = found["predicted"], found["seconds"], found["steps"]
    sent = {key: sum(row[f"{key}_sent"] for row in found["per_rank"]) for key in ("messages", "bytes")}
    lines = [f"{seconds:.4g} s, {seconds / steps:.4g} s a step{_against(predicted, seconds)}"]
    counts = ", ".join(f"{sent[key]:,} {key} (predicted {predicted[key]:,})" for key in ("messages", "bytes"))
    lines += [f"{counts}; Euclidean norm of the parameters {found['parameters_l2']:.6g}"]
    if found["loss"]:
        lines += [f"loss {found['loss'][0]:.4g} in the first step, {found['loss'][-1]:.4g} in the last"]
    stale = found["staleness"]
    if stale["count"]:
        lines += [f"staleness of {stale['count']:,} updates: {stale['mean']:.3g} on average, {stale['max']} at most"]
    if predicted.get("busy"):
        lines += ["the machine was busy when it was measured for that: --calibrate measures it anew"]
    if found["fault"]:
        lines += [f"not what one process with the whole batch computes: {found['fault']}"]
    if found["oversubscribed"]:
        shared = f"{found['ranks']} ranks share {found['cores']} cores"
        said = "these times prove nothing about ranks with a core each"
        lines += [f"{shared}: {said}{'' if found['regime'] == 'real' else ', unless they hardly compute'}"]
    return [*lines, *found["remarks"]]


def _against(predicted: dict, seconds: float) -> str:
    if predicted["seconds"] is None:
        return "; no time was predicted"
    off = predicted["seconds"] / seconds - 1
    return f"; predicted {predicted['seconds']:.4g} s ({off:+.1%}) [{predicted['origin']}]"
