"""The table of registers: what it answers, and when it counts as stale. No compiler is needed."""

import pytest

from labkit.errors import LabError
from labkit.kernels import registers
from labkit.kernels.conv.forward import forward_hybrid
from labkit.kernels.offline import table

OLD = {"registers": 40, "shared_bytes": 0, "per_ffma": None, "per_ffma_short": None}
NEW = {"registers": 48, "shared_bytes": 128, "per_ffma": 30.0, "per_ffma_short": 50.0}
SMALL = {"k": {"sm_75": OLD, "sm_90": NEW}}


def test_a_kernel_is_known_by_name_and_by_itself():
    assert registers.kernel_name(forward_hybrid) == "conv.forward.forward_hybrid"
    by_name = registers.registers_of("conv.forward.forward_hybrid", (9, 0))
    assert by_name == registers.registers_of(forward_hybrid, (9, 0)) and 16 <= by_name <= 128


@pytest.mark.parametrize(("cc", "expected"), [((7, 5), 40), ((8, 9), 40), ((9, 0), 48), ((12, 0), 48), ((3, 5), 40)])
def test_the_newest_architecture_that_the_gpu_can_run(monkeypatch, cc, expected):
    monkeypatch.setattr(registers, "table", lambda: SMALL)
    assert registers.registers_of("k", cc) == expected
    assert registers.shared_bytes_of("k", cc) == (128 if expected == 48 else 0)


def test_instructions_per_multiply_add(monkeypatch):
    assert registers.per_ffma_of(forward_hybrid, (9, 0), short=True) > registers.per_ffma_of(forward_hybrid, (9, 0)) > 1
    monkeypatch.setattr(registers, "table", lambda: SMALL)
    assert [registers.per_ffma_of("k", (9, 0), short) for short in (False, True)] == [30, 50]
    assert registers.per_ffma_of("k", (8, 0)) is None


def test_an_unknown_kernel():
    with pytest.raises(LabError, match=r"forward_hybird' — did you mean 'conv\.forward\.forward_hybrid'"):
        registers.registers_of("conv.forward.forward_hybird", (9, 0))


def test_stale_is_what_differs_by_more_than_the_tolerances():
    def changed(**values):
        return {"k": {"sm_75": OLD, "sm_90": NEW | values}}

    assert table.stale(SMALL, SMALL) == []
    assert table.stale(SMALL, changed(registers=48 + table.REGISTERS_APART, per_ffma=33.0)) == []
    far = [{"registers": 49 + table.REGISTERS_APART}, {"shared_bytes": 256}, {"per_ffma": 40.0}]
    for values in [*far, {"per_ffma_short": None}]:
        assert table.stale(SMALL, changed(**values)) == [f"k for sm_90: recorded {NEW}, compiled {NEW | values}"]
    assert table.stale({}, SMALL) == ["k: not in registers.json"]
    assert table.stale(SMALL, {}) == ["k: in registers.json, but there is no such kernel"]
    assert table.stale({"k": {"sm_75": OLD}}, SMALL) == [f"k for sm_90: recorded {{}}, compiled {NEW}"]


def test_what_was_not_disassembled_is_not_compared():
    assert table.stale(SMALL, {"k": {"sm_90": {"registers": 48, "shared_bytes": 128}}}) == []
    assert len(table.stale(SMALL, {"k": {"sm_90": {"registers": 80, "shared_bytes": 128}}})) == 1
