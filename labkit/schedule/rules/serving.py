"""Rules between workers and parameter servers that need no execution.

Every push is taken by one `serve` and answered once, so a worker pulls as often as it pushes; a server serves as often
per step as it is pushed to, in one mode; and a piece has one server, which in mode sync is pushed to equally often by
all who push to it at all.
"""

from collections import defaultdict

from labkit.schedule.rules.faults import Fault, fault, ranks, times
from labkit.schedule.schedule import Schedule


def serving_faults(schedule: Schedule) -> list[Fault]:
    """Pushes, pulls and serves that do not fit each other, counted over one step."""
    pushes, pulls, serves = _positions(schedule)
    if not (pushes or pulls or serves):
        return []
    return [
        *_answers(schedule, pushes, pulls),
        *_serves(schedule, pushes, serves),
        *_modes(schedule, serves),
        *_owners(schedule, pushes, serves),
    ]


def _positions(schedule: Schedule) -> tuple[dict, dict, dict]:
    """Positions of pushes and pulls by (worker, server, piece), of serves by server."""
    pushes, pulls, serves = defaultdict(list), defaultdict(list), defaultdict(list)
    for rank, program in enumerate(schedule.ranks):
        for position, i in enumerate(program):
            if i.op == "serve":
                serves[rank].append(position)
            elif i.op in ("push", "pull") and schedule.values(i):
                (pushes if i.op == "push" else pulls)[rank, i.peer, i.piece].append(position)
    return pushes, pulls, serves


def _answers(schedule: Schedule, pushes: dict, pulls: dict) -> list[Fault]:
    """One pull for each push of a piece."""
    found = []
    for worker, server, piece in sorted({*pushes, *pulls}):
        out, into = pushes.get((worker, server, piece), []), pulls.get((worker, server, piece), [])
        few = min(len(out), len(into))
        if len(out) > len(into):
            pulled = f"pulled {times(few)}" if few else "never pulled"
            what = f"the server answers {times(len(out))}, and w{piece} is {pulled}"
            instead = f"add 'pull w{piece}<{server}' after it"
            found.append(fault(schedule, "hang", worker, out[few], 0, what, instead))
        elif len(into) > len(out):
            pushed = f"pushed {times(few)}, not {times(len(into))}" if few else "never pushed"
            what = f"a server answers a push, and g{piece} is {pushed}"
            instead = f"put 'push g{piece}>{server}' before it, or leave it out"
            found.append(fault(schedule, "hang", worker, into[few], 0, what, instead))
    return found


def _serves(schedule: Schedule, pushes: dict, serves: dict) -> list[Fault]:
    """As many serves as pushes on every server."""
    found = []
    for server in sorted({key[1] for key in pushes} | {*serves}):
        arrive = sorted((worker, p) for (worker, to, _), row in pushes.items() if to == server for p in row)
        given = serves.get(server, [])
        if not given:
            worker, position = arrive[0]
            what, instead = f"rank {server} never serves", f"give rank {server} {len(arrive)} times 'serve sync'"
            found.append(fault(schedule, "hang", worker, position, 0, what, instead))
        elif len(given) != len(arrive):
            what = f"{len(arrive)} pushes arrive in a step, and it serves {times(len(given))}"
            instead = f"write 'serve' {times(len(arrive))}: workers times the pieces that this server keeps"
            position = given[min(len(given) - 1, len(arrive))]
            found.append(fault(schedule, "hang", server, position, 0, what, instead))
    return found


def _modes(schedule: Schedule, serves: dict) -> list[Fault]:
    """One mode on every server."""
    found = []
    for server, positions in sorted(serves.items()):
        first = schedule.ranks[server][positions[0]].how
        other = next((p for p in positions if schedule.ranks[server][p].how != first), None)
        if other is not None:
            what = f"this server began in mode {first}, and who gets which is chance"
            found.append(fault(schedule, "hang", server, other, 0, what, f"write 'serve {first}' everywhere here"))
    return found


def _owners(schedule: Schedule, pushes: dict, serves: dict) -> list[Fault]:
    """One server for each piece, which in mode sync its workers push to equally often."""
    found, owner = [], {}
    for worker, server, piece in sorted(pushes, key=lambda key: (key[2], key[0], key[1])):
        position = pushes[worker, server, piece][0]
        if owner.setdefault(piece, server) != server:
            what = f"g{piece} is also pushed to rank {owner[piece]}, and the two would keep weights that differ"
            found.append(fault(schedule, "maths", worker, position, 0, what, f"push it to rank {owner[piece]}"))
    for piece, server in sorted(owner.items()):
        if not serves.get(server) or schedule.ranks[server][serves[server][0]].how != "sync":
            continue
        counts = {worker: len(row) for (worker, to, p), row in pushes.items() if (to, p) == (server, piece)}
        most = max(counts, key=counts.get)
        fewer = [worker for worker, count in counts.items() if count < counts[most]]
        if fewer:
            does = "pushes" if len(fewer) == 1 else "push"
            what = f"the server sums g{piece} over its workers, and {ranks(fewer)} {does} it less often"
            position = pushes[most, server, piece][counts[fewer[0]]]
            instead = "let all push it equally often, and serve and pull as often"
            found.append(fault(schedule, "hang", most, position, 0, what, instead))
    return found
