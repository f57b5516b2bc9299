# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 05 · Faster kernels
#
# **Time:** about 75 minutes; the machine needs less than one of them. No GPU is needed.
#
# - **20 minutes:** "Where the instructions go", "Four ceilings" and the predictions of rungs 1 to 3.
# - **50 minutes:** also the exercises on the two bounds and on coarsening, and the tiled product.
# - **90 minutes:** everything, with occupancy, the asynchronous copies, split sums and the open task.
#
# **Goals.** At the end you can
#
# 1. compute from the instructions of a loop how fast it can be at most, and say which limit comes first;
# 2. predict what a change will bring before you make it, and when it will bring nothing;
# 3. write a kernel whose threads compute several outputs each, so that what was loaded is used often;
# 4. say what such bounds do not show.
#
# **Back:** [04 · Data, model, hybrid](04_data_model_hybrid.ipynb) · **Next:**
# [06 · Data parallelism](06_data_parallelism.ipynb)

# %%
from IPython.display import Code, Markdown

from labkit.course import check, exercise, hint, ledger, predict, quiz, reveal, rungs, solution
from labkit.course.coarse_rows import PIXELS, ROW
from labkit.kernels.executors.here import executor
from labkit.kernels.sizes import ConvSizes
from labkit.kernels.source import cuda, float32
from labkit.machine.gpus import find
from labkit.widgets import roofline
from labkit.widgets.tables import Table

# %% [markdown]
# ## Where the instructions go
#
# The kernels of notebook 03 read like the formula. This notebook takes the hybrid one and makes it faster in six steps,
# a **ladder** of kernels that all compute the same: FP of one layer of ResNet-18, 128 samples of 64 channels of 32×32,
# 64 filters of 3×3. Everything stays Python.
#
# How can one talk about speed without a GPU? By reading what the compiler made. The kernels were compiled for sm_90
# (H100 and H200), and the instructions of their hottest loops were counted. Such numbers are **modelled**: they say how
# fast a kernel can be *at most*. They come from a file that `benchmarks/ladder.py` has written.

# %%
ladder = rungs.recorded()
textbook, shapes, unchecked, coarse, tiled, asynchronous, split, in_use = ladder.rungs
Code(rungs.source(0), language="python")

# %% [markdown]
# All the work is in the line with `total +=`. On a GPU the product and the addition are one instruction, a **FMA**
# (fused multiply-add). Of the instructions that the innermost loop really runs, how many percent are FMAs?

# %%
predict("textbook-share", question="Textbook kernel: FMAs among the instructions of its loop?", unit="%")

# %%
note = f"compiled for sm_90: one FMA in {textbook.per_fma:.0f} instructions"
reveal("textbook-share", modelled=100 * textbook.issue, unit="%", note=note)

# %%
meaning = {
    "IMAD": "integer multiply-add: addresses",
    "IADD3": "integer addition: addresses, loop counters",
    "ISETP": "comparison: is the index negative? is the loop over?",
    "SEL": "selection: the index, or the index counted from the end",
    "LDG": "load from global memory",
    "LDS": "load from shared memory",
    "FFMA": "the multiply-add itself",
}
rows = [(name, textbook.mix[name], meaning[name]) for name in meaning]
head = ("instruction", "times", "what for")
Table("Textbook: three turns of the loop over s, in part (compiled for sm_90)", head, tuple(rows))

# %% [markdown]
# Nearly all of it is arithmetic on *indices*. `x[n, c, h, w]` looks like one access; it is four multiplications with
# strides that are known only at run time. And because Python counts negative indices from the end, each index is
# compared with 0 and mended, which here is never needed.
#
# ## Four ceilings
#
# | ceiling | what limits | share of the FP32 peak |
# |---|---|---|
# | peak | every lane ends one FMA per clock | 1 |
# | issue | an SM starts 4 instructions of warps per clock | FMAs / all instructions |
# | loads | an SM's load path passes 128 bytes per clock | FMAs / (4 · passes) |
# | memory | so many bytes per second | FLOP per byte · bytes per second / peak |
#
# The lowest one is a kernel's **roof**. Passes: 32 threads that load 32 bits each are 128 bytes, one pass; with 128 bits
# each they are four. (Threads that share a value need fewer; that is left out.) Compute two of the ceilings yourself.

# %%
exercise("loop-bounds")

# %% nbgrader={"schema_version": 3, "grade_id": "loop-bounds", "solution": true, "grade": false, "locked": false, "task": false}
def loop_bounds(fma, narrow, wide, other):
    """Issue bound and load bound of a loop, as shares of the FP32 peak."""
    ### BEGIN SOLUTION
    passes = narrow + 4 * wide
    loads = min(1.0, fma / (4 * passes)) if passes else 1.0
    return fma / (fma + narrow + wide + other), loads
    ### END SOLUTION


# %% nbgrader={"schema_version": 3, "grade_id": "loop-bounds-check", "solution": false, "grade": true, "locked": true, "task": false, "points": 1}
check("loop-bounds", loop_bounds)

# %%
hint("loop-bounds")

# %% [markdown]
# Now all four for the textbook kernel on an H200 (67 TFLOP/s in float32, 4.8 TB/s). Its loop has one load from global
# and one from shared memory for each FMA. Which ceiling is the lowest?

# %%
question = "Textbook kernel on an H200: which ceiling is the lowest?"
predict("textbook-roof", question=question, choices=("issue", "loads", "memory"))

# %%
from labkit.widgets.roofline import bounds

h200 = find("h200")
found = bounds(ladder.points[0], h200)
reveal("textbook-roof", modelled=min(found, key=found.get))

# %%
rows = [(name, value / 1e12, 100 * value / found["peak"]) for name, value in found.items()]
head = ("ceiling", "TFLOP/s", "% of the peak")
Table("Textbook kernel on an H200 (modelled)", head, tuple(rows))

# %% [markdown]
# "GPUs wait for memory" is what everybody says, and here memory is the least of all worries: the layer does 144 FLOP for
# each byte that has to move, ten times what an H200 needs to be busy. What stops this kernel is the number of its
# instructions.
#
# ## Right first
#
# A fast kernel that is wrong is worthless, so before anything else: here is the whole ladder on this machine, on sizes
# that are multiples of nothing, compared with the reference of the engine. (It takes some seconds: seven kernels are
# compiled.)

# %%
here = executor()
head = ("rung", "name", "blocks", "threads of a block", "largest difference")
rows = rungs.differences(here)
Table(f"Difference from the reference (measured here, {here.name})", head, tuple(rows))

# %% [markdown]
# Differences near $10^{-7}$ are rounding: sums in another order.
#
# ## Rung 1: say what is known
#
# Sizes of a layer never change while a network trains. So a Python function makes the kernel for one layer, and its
# sizes become constants of the compiler. Lines with `-` go, lines with `+` come:

# %%
Code(rungs.changes(1), language="diff")

# %% [markdown]
# Strides are numbers now, `i // Q` becomes a multiplication and a shift, and the loops over `r` and `s` unroll. By what
# factor does the roof rise?

# %%
predict("shapes-gain", question="Rung 1, sizes compiled in: the roof rises by?", unit="times")

# %%
note = f"from {textbook.per_fma:.0f} to {shapes.per_fma:.0f} instructions per FMA (compiled for sm_90)"
reveal("shapes-gain", modelled=shapes.roof / textbook.roof, unit="times", note=note)

# %% [markdown]
# ## Rung 2: promise what is true
#
# Still 27. What is left is mostly the question whether an index is negative. Nothing in this kernel ever is; `ld(x, i)`
# and `st(y, i, value)` promise that, and arrays are flat, so that there is one index instead of four.

# %%
Code(rungs.changes(2), language="diff")

# %% [markdown]
# It was 27 instructions per FMA, of which at least three (the FMA and two loads) must remain. How many are left?

# %%
predict("unchecked-count", question="Rung 2, unchecked: instructions per FMA?", unit="instructions")

# %%
reveal("unchecked-count", modelled=unchecked.per_fma, unit="instructions", note="compiled for sm_90")

# %% [markdown]
# A factor of four for a promise. But does the roof rise by four?

# %%
predict("unchecked-gain", question="Rung 2: the roof rises by?", unit="times")

# %%
note = f"the issue bound is {unchecked.issue:.1%} now, and the load bound {unchecked.loads:.1%}"
reveal("unchecked-gain", modelled=unchecked.roof / shapes.roof, unit="times", note=note)

# %% [markdown]
# The roof is another one: loads. Two loads for each FMA, and the load path passes one while four FMAs could start:
# 1 / (4 · 2) = 12.5 %, whatever the other instructions are. **From here on it is useless to save instructions.** What
# helps is to use what was loaded more than once.
#
# ## Rung 3: use it again
#
# In *register coarsening* a thread computes several outputs. Here: 8 pixels side by side of 4 channels, 32 sums in
# registers. For one row of its filters it loads 8 + 2 inputs and 4 · 3 weights, 22 values, and has 8 · 4 · 3 = 96
# products to do with them.

# %%
predict("coarse-gain", question="Rung 3, coarse: the roof rises by?", unit="times")

# %%
note = f"issue {coarse.issue:.0%}, loads {coarse.loads:.0%}: it is instructions again (compiled for sm_90)"
reveal("coarse-gain", modelled=coarse.roof / unchecked.roof, unit="times", note=note)

# %% [markdown]
# Write it, in its simplest form: rows instead of maps, one filter, four pixels for each thread. The index arithmetic is
# the point: where does a run begin, how much of it exists, and which input meets which weight?

# %%
exercise("coarse-rows")

# %% nbgrader={"schema_version": 3, "grade_id": "coarse-rows", "solution": true, "grade": false, "locked": false, "task": false}
def coarse_rows(x, weight, y):
    """Block n computes row n: y[n, q] = sum over s of weight[s] * x[n, q + s], in runs of PIXELS outputs."""
    n = cuda.blockIdx.x
    W, S, Q = x.shape[1], weight.shape[0], y.shape[1]
    row = cuda.local.array(ROW, float32)
    sums = cuda.local.array(PIXELS, float32)
    # All runs of this thread: where a run begins, its part of the row, its sums, its outputs.
    ### BEGIN SOLUTION
    for run in range(cuda.threadIdx.x, (Q + PIXELS - 1) // PIXELS, cuda.blockDim.x):
        q = run * PIXELS
        for i in range(PIXELS):
            sums[i] = float32(0)
        for i in range(min(PIXELS + S - 1, W - q)):
            row[i] = x[n, q + i]
        for s in range(S):
            tap = weight[s]
            for i in range(min(PIXELS, Q - q)):
                sums[i] += tap * row[i + s]
        for i in range(min(PIXELS, Q - q)):
            y[n, q + i] = sums[i]
    ### END SOLUTION


# %% nbgrader={"schema_version": 3, "grade_id": "coarse-rows-check", "solution": false, "grade": true, "locked": true, "task": false, "points": 1}
check("coarse-rows", coarse_rows)

# %%
hint("coarse-rows")

# %% [markdown]
# Rung 3 itself is this for maps, with four filters at once:

# %%
Code(rungs.source(3), language="python")

# %% [markdown]
# ## Rung 4: a tile for a block
#
# A convolution is a matrix product in disguise: weights ($K$ rows of $C R S$) times inputs ($C R S$ rows, a column for
# each of the $N P Q$ pixels). A **tiled** kernel never builds that second matrix. Each block owns 128 channels of 128
# pixels. All of its threads gather eight rows of both matrices into shared memory, wait, and multiply; each thread owns
# 8×8 sums. For each of the eight rows it reads 8 weights and 8 inputs and has 64 products: one read for four FMAs. And
# since four neighbours are read by one instruction of 128 bits, one *load instruction* for sixteen.

# %%
predict("tiled-gain", question="Rung 4, tiled: the roof rises by?", unit="times")

# %%
note = f"{tiled.per_fma:.2f} instructions per FMA: issue {tiled.issue:.0%}, loads {tiled.loads:.0%}"
reveal("tiled-gain", modelled=tiled.roof / coarse.roof, unit="times", note=note)

# %% [markdown]
# Of 611 instructions 512 are FMAs; nothing like it was to be had from the formula as it stands. And a block reads each
# input once for all of its channels, where rung 3 reads it once for four.
#
# But mind what the bound counts: FMAs. The tile has 128 channels, the layer 64. How many percent of the FMAs are of use?

# %%
predict("tile-use", question="Rung 4 on this layer: FMAs that are of use?", unit="%")

# %%
from labkit.kernels.tuned.tiles import LARGE

rows_of_tiles = -(-ladder.sizes.K // LARGE.BM) * LARGE.BM
reveal("tile-use", modelled=100 * ladder.sizes.K / rows_of_tiles, unit="%")

# %% [markdown]
# The other half multiplies zeros at full speed. For *this* layer, the 84 % of rung 4 are worth 42, less than rung 3; a
# layer of 128 channels would have all of it. Rung 6 mends that.
#
# ### What 64 sums cost
#
# Registers. How many blocks an SM can hold at once was given in notebook 04; now compute it. It decides which tiles are
# possible at all.

# %%
exercise("blocks-held")

# %% nbgrader={"schema_version": 3, "grade_id": "blocks-held", "solution": true, "grade": false, "locked": false, "task": false}
def blocks_held(threads, registers, shared_bytes):
    """How many blocks one SM of an H200 holds at once."""
    ### BEGIN SOLUTION
    by_registers = 65536 // (-(-registers // 8) * 8 * threads)
    by_shared = 228 * 1024 // (shared_bytes + 1024)
    return min(2048 // threads, by_registers, by_shared)
    ### END SOLUTION


# %% nbgrader={"schema_version": 3, "grade_id": "blocks-held-check", "solution": false, "grade": true, "locked": true, "task": false, "points": 1}
check("blocks-held", blocks_held)

# %%
hint("blocks-held")

# %%
from labkit.kernels.occupancy import occupancy
from labkit.kernels.tuned.ladder import LADDER, recipe

rows = []
for rung in LADDER:
    read, launch = ladder.rungs[rung.number], recipe(rung, ladder.sizes).steps[0].launch
    shared_bytes = max(read.shared_bytes, launch.shared_bytes)
    held = occupancy(h200, launch.block, read.registers, shared_bytes)
    found = held.blocks_per_sm, 100 * held.occupancy, held.limited_by
    rows.append((rung.number, rung.name, read.registers, *found))
head = ("rung", "name", "registers", "blocks per SM", "occupancy, %", "limited by")
Table("The ladder on an SM of an H200 (modelled, compiled for sm_90)", head, tuple(rows))

# %% [markdown]
# The lowest and the highest roof have the same occupancy, and the best occupied kernel is in between. Occupancy hides
# waiting; it does not take work away. But with few warps there is less to hide waiting *with*.
#
# ## Rung 5: do not wait
#
# Rung 4 gathers a chunk, waits for it, multiplies, and only then gathers the next. *Asynchronous* copies run on their
# own: while one chunk is multiplied the next one arrives in another part of shared memory.

# %%
Code(rungs.changes(5), language="diff")

# %%
question = "Rung 5, asynchronous: what happens to the issue bound?"
predict("asynchronous-bound", question=question, choices=("it rises", "it falls", "it stays"))

# %%
moves = "it rises" if asynchronous.issue > tiled.issue else "it falls"
note = f"from {tiled.issue:.0%} to {asynchronous.issue:.0%} (compiled for sm_90)"
reveal("asynchronous-bound", modelled=moves, note=note)

# %% [markdown]
# It falls: the bookkeeping of two halves takes instructions. By the bounds alone rung 5 would be a step back. Bounds say
# how much there is to do, **not how long one waits**. A chunk of rung 4 keeps the four schedulers of an SM busy for
# about 8 warps · 611 instructions / 4 = 1,200 clocks, and its data are 500 clocks and more away; of two blocks on an SM
# each waits like that once for each of its 72 chunks. How much of it the other block covers only a clock can tell.
#
# ## Rung 6: a tile that fits, and enough blocks
#
# Half of a tile without a channel is one way to waste a GPU. Another one:
# The last layers of ResNet-18 have 512 channels of 4×4 pixels. With batch 128 and tiles of 128×128, how many of the 132
# SMs of an H200 have a block at all?

# %%
predict("late-blocks", question="512 channels of 4×4, batch 128, tiles of 128×128: SMs with a block?", unit="SMs")

# %%
late = ConvSizes(N=128, C=512, H=4, W=4, K=512, R=3, S=3, pad_h=1, pad_w=1)
blocks = recipe(LADDER[5], late).steps[0].launch.blocks
reveal("late-blocks", modelled=min(blocks, h200.multiprocessors), unit="SMs")

# %% [markdown]
# 2,048 pixels are 16 tiles and 512 channels 4: half of the GPU is idle. Two ways out: smaller tiles, which fit more
# layers and read more of shared memory for each product; or several blocks for one tile, each with a part of the **sum**
# (*split-K*), and a second kernel that adds the parts. A model weighs them for each layer; `s1b1_conv1` is that of our
# ladder, and its tile now has 64 channels.

# %%
from labkit.kernels.experiments.sweeps import conv_of
from labkit.kernels.tuned.plan import plan
from labkit.network import zoo

rows = []
for name in ("conv1", "s1b1_conv1", "s2b2_conv1", "s3b2_conv1", "s4b2_conv1"):
    pick = plan(ConvSizes.of(*conv_of(zoo.get("resnet18_32"), name), 128), "FP")
    rows.append((name, pick.tile.name, pick.split, pick.blocks, pick.waves, pick.TFLOP_per_s))
head = ("layer", "tile", "parts of the sum", "blocks", "waves", "TFLOP/s")
Table("ResNet-18, batch 128, FP on an H200: what is chosen (modelled, optimistic)", head, tuple(rows))

# %% [markdown]
# ## The whole ladder under its roof
#
# Choose a kernel, and see which ceiling is its roof; choose another GPU, and see whether that changes. The star is
# a kernel of your own with 3 instructions and one load per FMA. Which of the two should it save first, and down to where
# does that help? Move them and see.

# %%
roofline(ladder.points, h200, own=(round(ladder.flops_per_byte), 3.0, 1.0))

# %%
rows = [
    (r.number, r.name, r.per_fma, 100 * r.issue, 100 * r.loads, r.registers, r.change)
    for r in ladder.rungs
]
head = ("rung", "name", "instructions per FMA", "issue, %", "loads, %", "registers", "change")
caption = f"The ladder ({in_use.origin}: compiled for sm_90 on {ladder.date}, not run)"
Table(caption, head, tuple(rows))

# %% [markdown]
# From rung 0 to the kernel in use the roof has risen 40 times. (In use: rung 6 with groups, with BP, and with indices that
# advance by additions. Compare its instructions with those of rung 6. The roofs of rungs 4 and 5 count the FMAs on zeros
# as well, see above.)
#
# ## And the clock?
#
# Everything so far was a roof. Times come from a GPU: this cell measures the ladder if there is one here.

# %%
if here.name == "gpu":
    head = ("rung", "name", "ms", "TFLOP/s")
    clocked = Table("FP of the layer (measured here)", head, tuple(rungs.times(here, ladder.sizes)))
else:
    clocked = Markdown("**No times:** there is no GPU here, and no recording of the ladder on one yet.")
clocked

# %% [markdown]
# Before anybody measures, write down what you expect for each rung. A rule of thumb, not checked here, is 60 to 80 % of
# the roof: waiting, barriers, bank conflicts and the last wave take the rest.
#
# ## What the ladder leaves out
#
# - **BP** with stride 1 is the same kernel with the channels exchanged and the filters turned over.
# - **KU** sums over pixels: few, long sums, so the split of rung 6 is what makes it fast.
# - **BatchNorm, ReLU, addition** do a few FLOP for each byte. There the ceiling is memory, none of the above helps, and
#   what does is to do them in one kernel, so that the bytes move once (`labkit/kernels/tuned/norm.py`).
#
# All of this is the mapping `tuned` of the lab.
#
# ## An open task
#
# Take a copy of rung 3 (`labkit/kernels/tuned/rung_3_coarse.py`) and change `PIXELS` and `FILTERS`. Write down loads and
# products for 4×4, 8×4, 8×8 and 16×4, and the sums that must stay in registers; predict the order of their roofs. With the
# extra `static` installed (`pip install -e ".[static]"`) `labkit.kernels.offline.compile_kernel` compiles your kernel and
# reads its bounds, registers and spills; no GPU is needed. At which size do the registers run out, and what happens to
# the issue bound then?
#
# ## Takeaways
#
# - Count before you guess: the textbook kernel is stopped by its index arithmetic, not by memory.
# - Only the lowest ceiling matters. When it has been raised another one is the lowest: look again after each step.
# - What is known (sizes) and what is true (no negative index) is worth saying: together 7.5 times fewer instructions.
# - Reuse is bought with registers: 32 or 64 sums for each thread, and products for what was loaded.
# - Bounds show neither waiting nor FMAs on zeros. A roof cannot be exceeded; nobody promises that it is reached.
#
# ## Self-quiz
#
# Choose an answer, then open it.

# %%
quiz("05")

# %%
ledger()

# %% [markdown]
# ## Claims
#
# The loops of the three mappings of notebook 03, compiled for sm_90 as well:

# %%
from labkit.kernels.conv.forward import FORWARD
from labkit.kernels.registers import per_ffma_of

names = ("data", "model", "hybrid")
rows = [(name, per_ffma_of(FORWARD[name], h200.capability, short=True)) for name in names]
Table("Instructions per FMA (compiled for sm_90)", ("mapping", "filters of 3×3"), tuple(rows))

# %% [markdown]
# | claim | where | found here |
# |---|---|---|
# | weights in shared memory make model and hybrid faster, since they are read from near | krishna-gupta-nayak, sections V and VI.A | in these kernels the three loops have nearly as many instructions; loads are not their roof (modelled) |
# | GPUs rely on switching between warps to hide latency, so occupancy is the goal | the same, section V | rungs 0 and 4 have the same occupancy and roofs 40 times apart (modelled); how much it hides only a clock can tell |
# | Python cannot be as fast as CUDA C | often heard | the loop in use has 1.2 instructions per FMA, and 1 is the least possible; not timed yet |
