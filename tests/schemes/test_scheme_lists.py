"""What the schemes' lists look like, what they refuse, and that their files can be read side by side."""

import ast
import inspect

import pytest

from labkit.errors import LabError
from labkit.network import zoo
from labkit.schedule.pieces import arrays, layer_ranges
from labkit.schemes import SCHEMES, build, cost
from labkit.schemes.cuts import ahead, back

LENET = zoo.get("lenet5")
REFUSED = [
    ("allreduse", 2, {}, "did you mean 'allreduce'"),
    ("single", 2, {}, "single.*2 ranks.*ranks=1"),
    ("allreduce", 0, {}, "ranks of 0"),
    ("allreduce", 2.5, {}, "ranks of 2.5"),
    ("allreduce", 2, {"algorithm": "rings"}, "did you mean 'ring'"),
    ("allreduce", 2, {"bucket_bytes": -1}, "-1 bytes"),
    ("allreduce", 2, {"micro_batches": 0}, "micro-batches of 0"),
    ("allreduce", 2, {"chunks": 4}, "takes no option 'chunks'.*algorithm"),
    ("master", 2, {"chunks": 4}, "takes no option 'chunks'.*no options"),
    ("chunked", 2, {"chunks": 0}, "0 chunks"),
    ("chunked", 2, {"chunks": 61_707}, "61707 chunks of 61,706 parameters"),
    ("error-average", 8, {}, "7 samples on 8 ranks.*batch=8"),
    ("parameter-server", 1, {}, "one parameter server.*at least 2"),
    ("parameter-server", 3, {"servers": "shared"}, "did you mean 'sharded'"),
    ("parameter-server", 3, {"placement": "greedy"}, "one server.*sharded"),
    ("parameter-server", 3, {"servers": "sharded", "placement": "gredy"}, "did you mean 'greedy'"),
    ("parameter-server", 3, {"mode": "asinc"}, "did you mean 'async'"),
    ("parameter-server", 3, {"mode": "ssp"}, "bound=None.*give a bound"),
    ("parameter-server", 3, {"mode": "ssp", "bound": -1}, "bound=-1"),
    ("parameter-server", 3, {"mode": "sync", "bound": 2}, "bound=2.*none otherwise"),
]


def lists(name: str, ranks: int, **options) -> list[list[str]]:
    """The spelled instructions of each rank, LeNet-5, batch 7."""
    return [[str(i) for i in program] for program in build(name, LENET, ranks, 7, **options).ranks]


@pytest.mark.parametrize(("name", "ranks", "options", "words"), REFUSED)
def test_refusals_say_what_to_give(name, ranks, options, words):
    with pytest.raises(LabError, match=f"(?s){words}"):
        build(name, LENET, ranks, 7, **options)


def test_a_cost_refuses_what_its_scheme_refuses():
    for name, ranks, options in [
        ("nothing", 2, {}),
        ("allreduce", 2, {"algorithm": "rings"}),
        ("allreduce", 0, {}),
        ("master", 2, {"chunks": 4}),
        ("single", 3, {}),
        ("chunked", 2, {"chunks": 0}),
        ("parameter-server", 1, {}),
    ]:
        with pytest.raises(LabError):
            cost(name, LENET, ranks, 7, **options)


def test_shares_follow_the_batch():
    """Seven samples for three ranks; a server of its own gets none; a batch may be smaller than the ranks."""
    assert build("master", LENET, 3, 7).shares == ((2,), (2,), (3,))
    assert build("parameter-server", LENET, 3, 7).shares == ((), (3,), (4,))
    assert build("allreduce", LENET, 3, 7, micro_batches=2).shares == ((1, 1), (1, 1), (1, 2))
    assert build("allreduce", LENET, 3, 2).batch == 2


def test_single_in_micro_batches():
    assert lists("single", 1, micro_batches=2) == [["F0:13", "B0:13", "F0:13#1", "B0:13#1", "U0:13"]]


def test_a_bucket_leaves_as_soon_as_its_last_layer_is_done():
    found = lists("allreduce", 2, bucket_bytes=0)
    assert found[0] == found[1]
    assert found[0][:5] == ["F0:13", "B11:13", "allreduce g0 ring &", "B9:11", "allreduce g1 ring &"]
    assert found[0][-4:] == ["wait g3", "U w3", "wait g4", "U w4"]


def test_without_overlap_nothing_is_in_the_background():
    every = [i for program in lists("allreduce", 2, bucket_bytes=0, overlap=False) for i in program]
    every += [i for program in lists("parameter-server", 3, overlap=False) for i in program]
    assert not [i for i in every if i.endswith("&") or i.startswith("wait")]


def test_only_the_last_micro_batch_overlaps():
    found = lists("allreduce", 2, micro_batches=2, algorithm="mpi")[0]
    assert found == ["F0:13", "B0:13", "F0:13#1", "B0:13#1", "allreduce g0 mpi &", "wait g0", "U w0"]


def test_the_master_alone_updates():
    for name in ("master", "chunked", "error-average"):
        first, *others = lists(name, 3)
        assert "U0:13" in first and not [i for program in others for i in program if i.startswith("U")]


def test_a_layer_waits_for_every_chunk_that_it_has_weights_in():
    """Chunks of 15,426 values: conv1, conv2 and the beginning of conv3 lie in the first, the rest of conv3 in four."""
    first, other = lists("chunked", 2, chunks=4)
    assert other[:6] == ["wait w0", "F0:6", "wait w1", "wait w2", "wait w3", "F6:13"]
    assert other[6:8] == ["B0:13", "reduce g4>0 linear"]
    assert first[:5] == ["F0:13", "B0:13", "reduce g4>0 linear", "wait", "U0:13"]
    assert first[5:] == other[8:] == [f"bcast w{n}<0 linear &" for n in range(4)]


def test_back_propagation_of_error_average_is_on_rank_0_only():
    first, other = lists("error-average", 2)
    assert first == ["F0:13", "reduce e>0 linear", "B0:13", "U0:13", "bcast w0<0 linear"]
    assert other == ["F0:13", "reduce e>0 linear", "bcast w0<0 linear"]


def test_one_server_serves_every_push():
    server, *workers = lists("parameter-server", 4, mode="ssp", bound=2)
    assert server == ["serve ssp2"] * 30 and workers[0] == workers[1] == workers[2]
    assert [i for i in workers[0] if i.startswith("push")] == [f"push g{n}>0 &" for n in (8, 9, 6, 7, 4, 5, 2, 3, 0, 1)]
    assert workers[0][-10:] == [f"pull w{n}<0 &" for n in range(10)]


def test_sharded_servers_serve_what_was_placed_on_them():
    found = lists("parameter-server", 3, servers="sharded", mode="async")
    assert [program.count("serve async") for program in found] == [12, 9, 9]
    assert "push g4>1 &" in found[0] and "pull w4<1 &" in found[1]


@pytest.mark.parametrize("name", SCHEMES)
def test_name_of_a_schedule_begins_with_its_schemes(name):
    ranks = 1 if name == "single" else 3
    assert build(name, LENET, ranks, 7).scheme.split()[0] == name


@pytest.mark.parametrize("name", SCHEMES)
def test_the_files_have_the_same_parts_in_the_same_order(name):
    """The statement of shapes, what is replicated, split and sent, a drawing; then the function, its cost, a remark."""
    module = inspect.getmodule(SCHEMES[name].build)
    text = inspect.getsource(module)
    assert text.count("\n") <= 120
    document = inspect.getdoc(module)
    assert document.splitlines()[0].startswith("In[B") and document.splitlines()[1] == ""
    marks = [document.index(word) for word in ("Replicated:", "Split:", "Sent:", "    rank 0")]
    assert marks == sorted(marks)
    names = [n.name if isinstance(n, ast.FunctionDef) else n.targets[0].id for n in parts(text)]
    public = [n for n in names if n in (name.replace("-", "_"), "cost", "REMARK")]
    assert public == [name.replace("-", "_"), "cost", "REMARK"] and names[-1] == "REMARK"
    assert "Messages" in inspect.getdoc(SCHEMES[name].cost) and "Bytes" in inspect.getdoc(SCHEMES[name].cost)


def parts(text: str) -> list[ast.stmt]:
    """Functions and constants of a file, in order."""
    return [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef | ast.Assign)]


def test_layers_without_weights_go_with_the_neighbours_that_have_some():
    network = zoo.get("mlp")  # begins with a Flatten
    pieces = arrays(network)
    assert not layer_ranges(network)[0].values
    assert back(network, pieces)[-1].first == 0 == ahead(network, pieces)[0].first
    assert back(network, pieces)[0].end == len(network) == ahead(network, pieces)[-1].end
    assert sorted(n for cut in back(network, pieces) for n in cut.pieces) == list(range(len(pieces)))
