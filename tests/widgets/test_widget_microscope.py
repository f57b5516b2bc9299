"""Thread-block microscope: its steps against the trace, its counts against `loads`, its sentence, its input."""

import base64
import json

import numpy as np
import pytest

from labkit.errors import LabError
from labkit.kernels.conv.forward import FORWARD
from labkit.kernels.intrinsics import ld4, st4
from labkit.kernels.launch import Launch
from labkit.kernels.source import cuda, float32
from labkit.kernels.trace import findings, loads, trace
from labkit.widgets import _frames, block_microscope
from labkit.widgets._base import esm

MODULE = esm("choice.js", "player.js", "microscope.js")
SIDE, SIZE, QUARTERS = 32, 64, 128
READ = """(m) => { const t = TRACE, b = Uint8Array.from(atob("DATA"), (c) => c.charCodeAt(0));
  const blocks = m.unpack(new DataView(b.buffer), t.blocks); return (BODY)(m, t, blocks); }"""


def in_page(run_js, view, body):
    """What `body`, (m, t, blocks) => ..., returns for the values that the page has."""
    text = READ.replace("TRACE", json.dumps(view.trace)).replace("DATA", base64.b64encode(view.data).decode())
    return run_js(MODULE, text.replace("BODY", body))


def convolution():
    rng = np.random.default_rng(0)
    x, weight = rng.standard_normal((2, 3, 6, 5)), rng.standard_normal((2, 3, 3, 3))
    given = [a.astype(np.float32) for a in (x, weight, np.zeros(2), np.zeros((2, 2, 6, 5)))]
    return trace(FORWARD["hybrid"], Launch((2, 2, 1), 32, 108), *given, 1, 1, 1, 1, 1, 2)


def transposed(x, y):
    tile = cuda.shared.array((SIDE, SIDE), float32)
    lane, row = cuda.threadIdx.x % SIDE, cuda.threadIdx.x // SIDE
    for i in range(row, SIDE, cuda.blockDim.x // SIDE):
        tile[i, lane] = x[i, lane]
    cuda.syncthreads()
    for i in range(row, SIDE, cuda.blockDim.x // SIDE):
        y[i, lane] = tile[lane, i]


def wide(x, y):
    part = cuda.shared.array(QUARTERS, float32)
    i = 4 * cuda.threadIdx.x
    a, b, c, d = ld4(x, i)
    st4(part, i, a, b, c, d)
    cuda.syncthreads()
    a, b, c, d = ld4(part, 4 * SIDE - 4 - i)
    st4(y, i, a, b, c, d)


def ends_early(x, y):
    part = cuda.shared.array(SIZE, float32)
    tid = cuda.threadIdx.x
    part[tid] = x[cuda.blockIdx.x, tid + 1]
    y[cuda.blockIdx.x, tid] = part[SIZE - 1 - tid]


def numbers(*shape):
    return np.random.default_rng(1).standard_normal(shape).astype(np.float32)


def racing():
    return trace(ends_early, Launch((2, 1, 1), SIZE), numbers(2, SIZE), np.zeros((2, SIZE), np.float32))


TRACES = {
    "convolution": convolution,
    "transpose": lambda: trace(transposed, Launch((1, 1, 1), 128), numbers(SIDE, SIDE), numbers(SIDE, SIDE)),
    "wide": lambda: trace(wide, Launch((1, 1, 1), SIDE), numbers(4 * SIDE), numbers(4 * SIDE)),
    "racing": racing,
}


@pytest.mark.parametrize("name", TRACES)
def test_the_page_counts_what_loads_counts(name, run_js):
    ran = TRACES[name]()
    body = """(m, t, blocks) => t.arrays.map((array, k) => {
      const all = blocks.flat().filter((step) => step.array === k).flatMap((step) => m.requests(step, array));
      const sum = (key) => all.reduce((total, one) => total + one[key], 0);
      return [all.length, sum("units"), sum("least")]; })"""
    got = in_page(run_js, block_microscope(ran), body)
    for (requests, units, least), counted in zip(got, loads(ran).arrays, strict=True):
        assert requests == counted.requests
        assert units == counted.sectors + counted.wavefronts
        assert least == counted.least_sectors + counted.least_wavefronts


@pytest.mark.parametrize("name", TRACES)
def test_every_thread_takes_its_steps_in_its_own_order(name, run_js):
    ran = TRACES[name]()
    view = block_microscope(ran)
    body = """(m, t, blocks) => blocks.map((steps) => Array.from({ length: t.threads }, (_, thread) =>
      steps.flatMap((s) => s.cells.filter((_, i) => s.threads[i] === thread).map((c) => [s.line, s.array, c]))))"""
    rows = ran.accesses
    for block, threads in enumerate(in_page(run_js, view, body)):
        for thread, got in enumerate(threads):
            mine = (rows.block == block) & (rows.thread == thread)
            assert got == np.stack([rows.line[mine], rows.array[mine], rows.index[mine]], axis=1).tolist()


def test_lanes_take_a_round_of_a_loop_together(run_js):
    """27 taps of a 3 x 3 filter over 3 channels: each is one step for x and one for the filter, wherever padding is."""
    view = block_microscope(convolution())
    body = "(m, t, blocks) => blocks[0].map((step) => [step.array, step.phase])"
    steps = in_page(run_js, view, body)
    names = [one["name"] for one in view.trace["arrays"]]
    taps = [names[array] for array, phase in steps if phase == 1]
    assert taps == ["bias", *["x", "filt"] * 27, "y"]
    assert view.trace["blocks"][3]["label"] == "block (1, 1)"


def test_sentence(run_js):
    body = """(m, t, blocks) => [[0, 2], [0, 5], [17, 3]].map(([at, follow]) =>
      m.sentence({ ...m.looked(t, blocks, 0), at, follow, marks: [] }))"""
    first, _, last = in_page(run_js, block_microscope(TRACES["transpose"]()), body)
    line = transposed.__code__.co_firstlineno
    assert first == (
        f"Step 1 of 32. Line {line + 4} reads x in global memory: all 128 threads, 4 warp requests, "
        "16 sectors of 32 bytes (no fewer would do). Thread 2: x[0, 2]."
    )
    assert last.startswith(f"Step 18 of 32, after 1 barrier. Line {line + 7} writes y in global memory")
    body = "(m, t, blocks) => m.sentence({ ...m.looked(t, blocks, 0), at: 16, follow: 40, marks: [] })"
    conflict = in_page(run_js, block_microscope(TRACES["transpose"]()), body)
    assert "128 passes over the banks (4 would do). Thread 40: tile[8, 1]." in conflict


def test_findings_point_at_the_steps_in_which_they_happen(run_js):
    view = block_microscope(racing())
    assert [one["text"][0] for one in view.trace["findings"]] == ["✗"] * len(view.trace["findings"])
    body = """(m, t, blocks) => t.findings.flatMap((f) => f.marks.map(([block, at, thread, cell]) => {
      const s = blocks[block][at]; return s.cells.some((c, i) => c === cell && s.threads[i] === thread); }))"""
    marks = in_page(run_js, view, body)
    kinds = [finding.kind for finding in findings(racing())]
    assert marks and all(marks)
    assert "race in shared memory" in kinds and "outside of an array" in kinds
    body = "(m, t, blocks) => m.sentence({ ...m.looked(t, blocks, 1), at: 0, follow: 63, marks: [] })"
    assert "Thread 63: x[outside]." in in_page(run_js, view, body)


@pytest.mark.parametrize(("layout", "width"), [("array", 400), ("array", 1100), ("memory", 400), ("memory", 1100)])
def test_everything_that_a_block_touches_has_a_place(layout, width, run_js):
    view = block_microscope(convolution())
    body = f"""(m, t, blocks) => {{
      const view = {{ ...m.looked(t, blocks, 0), step: blocks[0][0], layout: "{layout}" }};
      const placed = m.place(view, {width});
      return [placed.height, placed.boxes.map((b) => [b.array.name, b.size * b.columns, b.part,
        b.parts.map((p) => [p.first, p.x, p.y, p.label]), [...view.first[b.k].keys()]])]; }}"""
    height, boxes = in_page(run_js, view, body)
    assert [name for name, *_ in boxes] == ["x", "weight", "bias", "y", "filt"]
    for name, wide, part, parts, cells in boxes:
        held = {cell for first, *_ in parts for cell in range(first, first + part)}
        assert set(cells) <= held
        assert all(x >= 0 and x + wide <= width and 0 < y < height for _, x, y, _ in parts)
        if layout == "array" and name == "x":
            assert [label for *_, label in parts] == ["[0, 0]", "[0, 1]", "[0, 2]"]


def copied(x):
    for i in range(cuda.threadIdx.x, x.size, cuda.blockDim.x):
        x[i] += float32(1)


def test_of_a_large_array_the_part_of_the_step_is_shown(run_js):
    view = block_microscope(copied, Launch((1, 1, 1), SIDE), numbers(100 * SIDE))
    body = """(m, t, blocks) => [0, 120].map((at) => m.place({ ...m.looked(t, blocks, 0), step: blocks[0][at],
      layout: "array" }, 900).boxes[0].parts.map((p) => p.first / 32))"""
    first, later = in_page(run_js, view, body)
    assert first == list(range(32)) and later == list(range(60, 92))


def test_state_string_rebuilds_the_view():
    ran = convolution()
    view = block_microscope(ran, block=2, step=7, thread=4, layout="memory")
    line = view.state_string()
    assert line.startswith("block_microscope?block=2&step=7&thread=4&layout=")
    assert block_microscope(ran, from_state=line).state == view.state
    assert view.title == "Kernel forward_hybrid under the microscope"


def silent(x):
    own = cuda.local.array(2, float32)
    own[0] = float32(x.size)


def second_only(x):
    if cuda.blockIdx.x == 1:
        x[cuda.threadIdx.x] = float32(0)


def test_blocks_that_do_nothing_are_left_out():
    view = block_microscope(second_only, Launch((3, 1, 1), 4), numbers(4))
    assert [one["label"] for one in view.trace["blocks"]] == ["block 1"]
    assert "2 recorded blocks" in view.trace["legend"]


def test_blocks_that_are_too_much_are_left_out(monkeypatch):
    ran = racing()
    monkeypatch.setattr(_frames, "MOST_ACCESSES", len(ran.accesses) - 1)
    assert [one["label"] for one in block_microscope(ran).trace["blocks"]] == ["block 0"]
    monkeypatch.setattr(_frames, "MOST_ACCESSES", 10)
    with pytest.raises(LabError, match="256 accesses in one block"):
        block_microscope(ran)


@pytest.mark.parametrize(
    ("arguments", "options", "word"),
    [
        ((silent,), {}, "without its launch"),
        ((silent, Launch((1, 1, 1), 4), numbers(4)), {}, "no access to memory"),
        ((racing(),), {"block": 2}, "block=2"),
        ((racing(),), {"layout": "lines"}, "memory"),
        ((racing(),), {"step": -1}, "step=-1"),
        ((racing(),), {"from_state": "convolution_walk?cell=3"}, "block_microscope"),
    ],
)
def test_bad_input_is_refused(arguments, options, word):
    with pytest.raises(LabError, match=word):
        block_microscope(*arguments, **options)
