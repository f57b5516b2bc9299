"""Spellings: every instruction is written and parsed back; what is none is refused with what to write instead."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.errors import LabError
from labkit.schedule import Instruction, parse, spell
from labkit.schedule.instruction import COLLECTIVES, MESSAGES, OPS

NUMBERS = st.integers(0, 10**6)
HOWS = {
    "allreduce": ["ring", "tree", "doubling", "halving", "mpi"],
    "reduce": ["linear", "tree"],
    "bcast": ["linear", "tree", "chain1", "chain16"],
    "recv": ["", "+"],
    "swap": ["", "+"],
    "serve": ["sync", "async", "ssp0", "ssp12"],
}


@st.composite
def instructions(draw) -> Instruction:
    op = draw(st.sampled_from(OPS))
    if op in ("F", "B") or (op == "U" and draw(st.booleans())):
        first = draw(NUMBERS)
        micro = 0 if op == "U" else draw(st.integers(0, 99))
        return Instruction(op, (first, first + draw(st.integers(1, 99))), micro)
    if op == "serve":
        return Instruction(op, how=draw(st.sampled_from(HOWS[op])))
    item = {"push": "g", "pull": "w", "U": "w"}.get(op) or draw(
        st.sampled_from("gwe" if op != "wait" else ["g", "w", ""])
    )
    return Instruction(
        op,
        item=item,
        piece=draw(NUMBERS) if item in ("g", "w") else 0,
        peer=None if op in ("U", "wait", "allreduce") else draw(NUMBERS),
        how=draw(st.sampled_from(HOWS.get(op, [""]))),
        background=op not in ("U", "wait") and draw(st.booleans()),
    )


@given(instructions())
def test_what_is_spelled_is_parsed_back(instruction):
    assert parse(spell(instruction)) == instruction
    assert parse("  " + str(instruction).replace(" ", "   ")) == instruction


@given(
    st.text(max_size=30) | st.lists(st.sampled_from([*OPS, "g0", "w1>2", "e", "&", "+", "#1", "0:3", ""])).map(" ".join)
)
def test_whatever_parses_is_spelled_as_it_was(text):
    try:
        instruction = parse(text)
    except LabError as error:
        assert error.what and error.instead
        return
    assert parse(spell(instruction)) == instruction
    assert spell(parse(spell(instruction))) == spell(instruction)


@pytest.mark.parametrize(
    ("text", "op", "fields"),
    [
        ("F0:13#1", "F", {"layers": (0, 13), "micro": 1}),
        ("B0:13", "B", {"layers": (0, 13)}),
        ("U w3", "U", {"item": "w", "piece": 3}),
        ("send w3>2", "send", {"item": "w", "piece": 3, "peer": 2}),
        ("recv g3<1 +", "recv", {"item": "g", "piece": 3, "peer": 1, "how": "+"}),
        ("swap g3<>1 + &", "swap", {"item": "g", "piece": 3, "peer": 1, "how": "+", "background": True}),
        ("allreduce g3 ring", "allreduce", {"item": "g", "piece": 3, "how": "ring"}),
        ("reduce e>0 tree", "reduce", {"item": "e", "peer": 0, "how": "tree"}),
        ("bcast w3<0 chain8", "bcast", {"item": "w", "piece": 3, "peer": 0, "how": "chain8"}),
        ("push g3>4", "push", {"item": "g", "piece": 3, "peer": 4}),
        ("pull w3<4 &", "pull", {"item": "w", "piece": 3, "peer": 4, "background": True}),
        ("serve ssp2", "serve", {"how": "ssp2"}),
        ("wait w3", "wait", {"item": "w", "piece": 3}),
        ("wait", "wait", {}),
    ],
)
def test_fields_of_a_spelling(text, op, fields):
    assert parse(text) == Instruction(op, **fields)
    assert str(parse(text)) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' spells no instruction — write it like 'F0:13'"),
        ("send w3 > 2", "spells no instruction"),
        ("F3:3", "cannot work on the layers (3, 3)"),
        ("F5:3", "cannot work on the layers (5, 3)"),
        ("F", "'F' needs a range of layers, as in 'F0:13'"),
        ("B w3", "'B' needs a range of layers"),
        ("U", "'U' needs either a range of layers or the weights of a piece"),
        ("send w3", "'send' needs the number of a rank"),
        ("wait w3>1", "'wait w3>1' has '>' before the rank — 'wait' is written without a rank"),
        ("send w3<2", "'send w3<2' has '<' before the rank — 'send' is written with '>'"),
        ("recv w3<>2", "'recv' is written with '<'"),
        ("allreduce ring", "'allreduce' needs what it works on, such as g0 or w0"),
        ("push>3", "spells no instruction"),
        ("push w3>1", "'push' works on g, not on w3"),
        ("pull g3<1", "'pull' works on w, not on g3"),
        ("U g3", "'U' works on w, not on g3"),
        ("serve g3 async", "'serve' has something that it has no use for"),
        ("U0:3#1", "'U' has something that it has no use for"),
        ("F0:3 &", "'F' cannot go to the network lane"),
        ("wait &", "'wait' cannot go to the network lane"),
        ("serve sync &", "'serve' cannot go to the network lane"),
        ("serve", "'serve' has no mode ''; it is async, sync or ssp with a bound, as in ssp2"),
        ("serve ssp", "has no mode 'ssp'"),
        ("allreduce g3", "'allreduce' has no algorithm ''; it is one of ring, tree"),
        ("reduce g3>0 mpi", "'reduce' has no algorithm 'mpi'; it is one of linear, tree"),
        ("bcast w3<0 chain0", "'bcast' has no algorithm 'chain0'"),
        ("send w3>1 +", "'send' takes no '+'"),
        ("recv w3<1 -", "'recv' takes no '-'"),
        ("wait w3 ring", "'wait' takes no 'ring'"),
        ("alreduce g3 ring", "there is no instruction 'alreduce' — did you mean 'allreduce'?"),
    ],
)
def test_what_is_no_instruction_is_refused(text, message):
    with pytest.raises(LabError) as caught:
        parse(text)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("op", "fields", "message"),
    [
        ("send", {"item": "x", "peer": 0}, "cannot work on 'x'"),
        ("send", {"item": "w", "peer": -1}, "has a negative number"),
        ("F", {"layers": (0, 3), "micro": -1}, "has a negative number"),
        ("F", {"layers": (-1, 3)}, "cannot work on the layers (-1, 3)"),
        ("wait", {"layers": (0, 3)}, "cannot work on the layers (0, 3)"),
        ("wait", {"peer": 2}, "takes no rank"),
        ("F", {"layers": (0, 3), "peer": 2}, "takes no rank"),
        ("reduce", {"item": "e", "piece": 2, "peer": 0, "how": "tree"}, "has something that it has no use for"),
        ("U", {"layers": (0, 3), "item": "w"}, "needs either"),
    ],
)
def test_fields_that_make_no_instruction_are_refused(op, fields, message):
    with pytest.raises(LabError) as caught:
        Instruction(op, **fields)
    assert message in str(caught.value) and "labkit/schedule/instruction.py" in str(caught.value)


def test_key_and_lane():
    assert [parse(text).key for text in ("send w3>2", "reduce e>0 tree", "F0:3", "wait")] == ["w3", "e", "", ""]
    assert [parse(text).lane for text in ("F0:3", "send w3>2", "send w3>2 &", "serve sync")] == [
        *("main", "main", "network", "server"),
    ]
    assert parse("send w3>2").behind() == parse("send w3>2 &")
    assert {*MESSAGES, *COLLECTIVES} < {*OPS}
