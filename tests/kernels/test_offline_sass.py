"""Loops and their costs, on machine code written by hand."""

import json

import pytest

from labkit.kernels.offline import sass
from labkit.kernels.offline.sass import Instruction, Loop


def code(*lines: str) -> tuple[Instruction, ...]:
    """Instructions from lines such as '@P0 BRA 0x10'."""
    found = []
    for i, line in enumerate(lines):
        words = line.split()
        predicate = words.pop(0) if words[0].startswith("@") else ""
        found.append(Instruction(16 * i, words[0], " ".join(words[1:]), predicate))
    return tuple(found)


NESTED = code(
    "MOV",  # 0x00
    "IADD3",  # 0x10 outer loop
    "LDG.E",  # 0x20 inner loop
    "FFMA",  # 0x30
    "@P0 BRA 0x20",  # 0x40
    "@P1 BRA 0x10",  # 0x50
    "EXIT",  # 0x60
    "FFMA",  # 0x70 never reached
    "BRA 0x70",  # 0x80
)


def test_nested_loops():
    outer, inner = sass.loops(NESTED)
    assert (outer.start, outer.end, outer.within) == (0x10, 0x60, ())
    assert outer.mix == {"BRA": 2, "IADD3": 1, "LDG": 1, "FFMA": 1}
    assert (inner.start, inner.end, inner.within, inner.instructions) == (0x20, 0x50, (0x10,), 3)
    assert sass.hottest((outer, inner)) == inner


def test_a_block_placed_behind_the_loop_belongs_to_it():
    found = sass.loops(code("FFMA", "@P0 BRA 0x40", "@P1 BRA 0x0", "EXIT", "FADD", "BRA 0x20"))
    assert found == (Loop(0, 0x60, (), {"BRA": 3, "FFMA": 1, "FADD": 1}),)


def test_what_lies_between_but_leaves_is_not_in_the_loop():
    (loop,) = sass.loops(code("FFMA", "@P0 BRA 0x40", "FMUL", "EXIT", "@P1 BRA 0x0", "EXIT"))
    assert loop.mix == {"BRA": 2, "FFMA": 1}


def test_a_call_of_an_address_is_a_branch_and_one_of_a_name_is_not():
    jumps = code("FFMA", "@!P0 CALL.REL.NOINC 0x40", "BRA 0x0", "FMUL", "EXIT")
    assert [loop.mix for loop in sass.loops(jumps)] == [{"FFMA": 1, "CALL": 1, "BRA": 1}]
    calls = code("FFMA", "CALL.REL.NOINC $__divide", "@P0 BRA 0x0", "EXIT")
    assert [loop.mix for loop in sass.loops(calls)] == [{"FFMA": 1, "CALL": 1, "BRA": 1}]


def test_a_branch_with_a_condition_among_its_operands_may_fall_through():
    (loop,) = sass.loops(code("FFMA", "BRA.DIV UR4,0x40", "@P0 BRA 0x0", "EXIT", "BRA 0x20"))
    assert loop.mix == {"BRA": 3, "FFMA": 1}


def test_code_without_loops():
    assert sass.loops(code("FFMA", "@P0 BRA 0x30", "FADD", "EXIT")) == ()
    assert sass.loops(()) == ()
    assert sass.hottest(()) is None


def test_the_unrolled_loop_is_hotter_than_its_remainder_and_one_without_multiplying():
    unrolled = Loop(0, 16, (), {"FFMA": 4, "LDG": 8})
    rest = Loop(16, 32, (), {"FFMA": 1, "LDG": 2})
    copy = Loop(32, 48, (), {"LDG": 50})
    assert sass.hottest((rest, unrolled, copy)) == unrolled
    assert sass.hottest((copy,)) is None


def test_the_deeper_loop_is_hotter_whatever_a_special_case_computes():
    special, outer = Loop(0, 16, (), {"FFMA": 26}), Loop(16, 64, (), {"FFMA": 20})
    inner = Loop(32, 48, (16,), {"FFMA": 4})
    assert sass.hottest((special, outer, inner)) == inner


OUTER = Loop(0, 96, (), {"FFMA": 7, "LDG": 9, "BRA": 2})
INNER = Loop(16, 48, (0,), {"FFMA": 4, "LDG": 4, "BRA": 1})


def test_what_a_loop_does_besides_the_one_in_it():
    found = (OUTER, INNER, Loop(112, 128, (), {"FADD": 1}))
    assert sass.around(found, INNER) == OUTER and sass.around(found, OUTER) is None
    assert sass.besides(found, INNER) == Loop(0, 96, (), {"LDG": 5, "FFMA": 3, "BRA": 1})
    assert sass.besides((Loop(0, 96, (), INNER.mix | {"LDG": 9}), INNER), INNER) is None
    assert sass.besides((Loop(0, 96, (), INNER.mix | {"FFMA": 20}), INNER), INNER) is None
    assert sass.besides((INNER,), INNER) is None


def test_a_nest_counts_its_inner_loop_as_often_as_it_runs():
    found = (OUTER, INNER)
    assert sass.nest(found, 4) == INNER
    assert sass.nest(found, 8) == Loop(0, 96, (), {"LDG": 13, "FFMA": 11, "BRA": 3})
    assert sass.nest((INNER,), 8) == INNER and sass.nest((), 8) is None


@pytest.mark.parametrize(
    ("opcode", "family"),
    [
        ("LDG.E.128.CONSTANT", "LDG.128"),
        ("LDG.E", "LDG"),
        ("LDS.U.128", "LDS.128"),
        ("LDGSTS.E.BYPASS.128", "LDGSTS.128"),
        ("IMAD.WIDE.U32", "IMAD"),
        ("FFMA.FTZ", "FFMA"),
        ("ULDC.64", "ULDC"),
    ],
)
def test_families(opcode, family):
    assert Instruction(0, opcode).family == family


def test_bounds_of_a_loop():
    loop = Loop(0, 16, (), {"FFMA": 64, "LDS.128": 4, "IADD3": 11, "BRA": 1})
    assert loop.per_ffma == 80 / 64
    assert loop.issue_bound == 0.8
    assert (loop.wavefronts, loop.lsu_bound) == (16, 1.0)
    copying = Loop(0, 16, (), {"FFMA": 64, "LDS": 32, "LDGSTS.128": 1, "LDG.64": 1, "STS": 2})
    assert copying.wavefronts == 32 + 8 + 2 + 2
    assert copying.lsu_bound == copying.bound == 64 / (4 * 44)
    assert loop.bound == 0.8
    idle = Loop(0, 16, (), {"IADD3": 3})
    assert (idle.per_ffma, idle.issue_bound, idle.lsu_bound) == (float("inf"), 0, 1)


def test_the_function_asked_for_is_read():
    one = {"function-name": "other", "sass-instructions": [{"opcode": "NOP"}]}
    two = {
        "function-name": "ours",
        "sass-instructions": [{"opcode": "LDC", "operands": "R1,c[0x0]"}, {"opcode": "EXIT", "predicate": "@P0"}],
    }
    found = sass.read(json.dumps([{}, [one, two]]), "ours")
    assert found == (Instruction(0, "LDC", "R1,c[0x0]"), Instruction(16, "EXIT", "", "@P0"))
