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
# # 03 · Blocks and mappings
#
# **Time:** about 90 minutes; the machine needs less than one of them. No GPU is needed.
#
# - **20 minutes:** "What a GPU is", "A first kernel" and "Three mappings, block by block", without the exercises.
# - **50 minutes:** also the exercises on the data and the model mapping, and "Two threads, one cell".
# - **90 minutes:** everything, with the hybrid mapping, the two planted mistakes and the open task.
#
# **Goals.** At the end you can
#
# 1. say what threads, warps, blocks and multiprocessors are, and which memory each of them sees;
# 2. write a kernel for a convolution in three mappings: data, model, hybrid;
# 3. find a race and an index outside of an array, although the numbers look right;
# 4. count how often a mapping reads each weight.
#
# **Back:** [02 · The anatomy of networks](02_anatomy_of_networks.ipynb) · **Next:**
# [04 · Data, model, hybrid](04_data_model_hybrid.ipynb)

# %%
from inspect import getsource

import numpy as np
from IPython.display import Code, Markdown

from labkit.course import check, exercise, hint, ledger, predict, quiz, reveal, solution
from labkit.kernels.launch import MOST_THREADS, Launch
from labkit.kernels.source import cuda, float32
from labkit.kernels.trace import findings, trace
from labkit.widgets import block_microscope
from labkit.widgets.tables import Table

# %% [markdown]
# ## What a GPU is
#
# A GPU is many small processors, *streaming multiprocessors* or **SMs**. Each of them runs many **threads** at a time,
# always 32 together: such a **warp** starts one instruction for all of its threads at once. When a warp waits for
# memory, the SM goes on with another one that does not. That is the whole trick: a GPU does not wait less than a CPU,
# it has more to do meanwhile.
#
# A program for it is a **kernel**: one function that every thread runs. Threads come in **blocks**. All threads of a
# block are on the same SM, may share memory there, and can wait for one another. Blocks cannot wait for each other:
# they run in any order, as places become free.
#
# | memory | who sees it | size on an H200 | how far away |
# |---|---|---|---|
# | registers | one thread | 256 KiB for each SM | none |
# | shared memory | the threads of a block | up to 227 KiB for each block, 48 KiB without asking | about 30 clocks |
# | L2 | everybody | 60 MiB | some 200 clocks |
# | global memory | everybody | 141 GB | 500 clocks and more |
#
# How many threads can an H200 hold at the same time, all SMs together?

# %%
predict("resident-threads", question="How many threads does an H200 hold at once?", unit="threads")

# %%
from labkit.machine.gpus import GPUS, find

h200 = find("h200")
reveal("resident-threads", modelled=h200.multiprocessors * h200.sm.threads, unit="threads")

# %% [markdown]
# 2,048 for each of 132 SMs. A kernel that starts fewer leaves parts of the machine without work, and one with 20,000
# threads, which sounds like many, uses a thirteenth of it. Here are the three GPUs of krishna-gupta-nayak (table II)
# and some later ones:

# %%
rows = []
for g in GPUS.values():
    threads = g.multiprocessors * g.sm.threads
    rows.append((g.name, g.multiprocessors, g.cores, threads, g.l2_bytes / 2**20, g.memory_GB_per_s))
head = ("GPU", "SMs", "float32 lanes", "threads at once", "L2, MiB", "memory, GB/s")
Table("GPUs (from their data sheets)", head, tuple(rows))

# %% [markdown]
# ## A first kernel
#
# This one doubles numbers. `cuda.blockIdx.x` is the number of the block, `cuda.threadIdx.x` that of the thread within
# its block, `cuda.blockDim.x` the threads of a block; everything else is Python.

# %%
from labkit.course.demo_kernels import doubled

Code(getsource(doubled), language="python")

# %% [markdown]
# A **launch** says how many blocks (the *grid*) of how many threads. Twenty numbers in blocks of eight threads take
# three blocks, and four threads of the last one have nothing to do: hence the `if`. `executor()` is whatever this
# machine has: its GPU, or its cores.

# %%
from labkit.kernels.executors.here import executor

here, twenty = executor(), np.arange(20, dtype=np.float32)
launch = Launch(grid=(3, 1, 1), block=8)
result = here.empty(20)
here.launch(doubled, launch, here.put(twenty), result)
print(here.name, here.get(result))

# %% [markdown]
# To see *who* did what, the same function can be run under a tracer, thread by thread. Step through it with the arrow
# keys or **Play**, and choose block 2 for the last one.

# %%
block_microscope(doubled, launch, twenty, np.zeros_like(twenty))

# %% [markdown]
# The 32 threads of a warp ask for memory together, and memory comes in **sectors** of 32 bytes, eight numbers.
# Neighbouring threads that read neighbouring numbers are *coalesced*: eight of them need one sector. If each read from
# somewhere else, eight would need eight.
#
# ### Your turn
#
# The same for a table with rows and columns. One thread per value; find row and column from its number.

# %%
exercise("first-kernel")

# %% nbgrader={"schema_version": 3, "grade_id": "first-kernel", "solution": true, "grade": false, "locked": false, "task": false}
def add_bias(x, bias, y):
    """y[k, m] = x[k, m] + bias[k]; x and y have K rows and M columns."""
    K, M = x.shape
    ### BEGIN SOLUTION
    i = cuda.blockIdx.x * cuda.blockDim.x + cuda.threadIdx.x
    if i < K * M:
        k, m = i // M, i % M
        y[k, m] = x[k, m] + bias[k]
    ### END SOLUTION


# %% nbgrader={"schema_version": 3, "grade_id": "first-kernel-check", "solution": false, "grade": true, "locked": true, "task": false, "points": 1}
check("first-kernel", add_bias)

# %%
hint("first-kernel")

# %% [markdown]
# The check traced your kernel on small ragged tables, looked at every index, and then compiled it for one of a million
# values. It will do so with all that follow.
#
# ## Three mappings, block by block
#
# Now a convolution, the simplest there is (stride 1, no padding):
#
# $$ y_{n,k,p,q} = b_k + \sum_{c,r,s} x_{n,\,c,\,p+r,\,q+s} \; w_{k,c,r,s} $$
#
# There are $N K P Q$ outputs, and nobody needs another one's. So the obvious kernel is one thread per output. Read how
# it finds its place: the last index runs fastest, as in `add_bias`.

# %%
from labkit.course.demo_kernels import flat

Code(getsource(flat), language="python")

# %% [markdown]
# That is right, and it says nothing about which outputs should share a block, although a block is where threads can
# share data. krishna-gupta-nayak compare three answers (sections IV to VI):

# %%
from labkit.widgets import block_maps

block_maps(N=3, K=4)

# %% [markdown]
# | mapping | a block has | blocks | its filter |
# |---|---|---|---|
# | **data** | one sample, all channels | $N$ | all of them, from global memory |
# | **model** | one output channel, all samples | $K$ | one, copied into shared memory once |
# | **hybrid** | one channel of one sample | $N K$ | one, copied into shared memory once for each sample |
#
# So the mapping decides how many blocks there are. The first convolution of LeNet-5 has 6 filters. In the model
# mapping, with a batch of 128, how many of the 132 SMs of an H200 get any work?

# %%
question = "LeNet-5, conv1, model mapping, batch 128: SMs of an H200 with work?"
predict("busy-sms", question=question, unit="SMs")

# %%
from labkit.kernels.experiments.launches import explain_layer

told = explain_layer("lenet5", "conv1", "model", batch=128, gpu=h200)
reveal("busy-sms", modelled=told.busy_sms, unit="SMs")

# %%
Markdown("\n\n".join(told.sentences))

# %% [markdown]
# Six. A larger batch does not help: it only makes six blocks take longer. What the batch, the channels and the number
# of SMs do to speed is the next notebook; here you write the three.
#
# ### Data: a block for each sample
#
# A block has one sample, with $K P Q$ outputs, and perhaps 256 threads. So each thread takes more than one output:
# number `threadIdx.x`, then every `blockDim.x`-th after it. The loop is written; the place of output `i` is yours.

# %%
exercise("data-mapping")

# %% nbgrader={"schema_version": 3, "grade_id": "data-mapping", "solution": true, "grade": false, "locked": false, "task": false}
def data_mapping(x, weight, bias, y):
    """Block n computes all outputs of sample n."""
    n = cuda.blockIdx.x
    K, C, R, S = weight.shape
    P, Q = y.shape[2], y.shape[3]
    for i in range(cuda.threadIdx.x, K * P * Q, cuda.blockDim.x):
        # Channel k, row p and column q of output i; they are counted row by row, channel after channel.
        ### BEGIN SOLUTION
        k, p, q = i // (P * Q), i // Q % P, i % Q
        ### END SOLUTION
        total = bias[k]
        for c in range(C):
            for r in range(R):
                for s in range(S):
                    total += x[n, c, p + r, q + s] * weight[k, c, r, s]
        y[n, k, p, q] = total


# %% nbgrader={"schema_version": 3, "grade_id": "data-mapping-check", "solution": false, "grade": true, "locked": true, "task": false, "points": 1}
check("data-mapping", data_mapping)

# %%
hint("data-mapping")

# %% [markdown]
# ### Model: a block for each channel
#
# Block $k$ uses one filter only, $C R S$ weights, over and over again. So it copies them into **shared memory** first,
# all threads together, each a part. Then comes the one thing that is new: threads of a block do not run in step. A
# thread that has copied its part must not read the others' before they are there. `cuda.syncthreads()` is a
# **barrier**: nobody goes on until all threads of the block have reached it.
#
# The multiplication is written. The copy, the barrier, and the place of output `i` are yours.

# %%
exercise("model-mapping")

# %% nbgrader={"schema_version": 3, "grade_id": "model-mapping", "solution": true, "grade": false, "locked": false, "task": false}
def model_mapping(x, weight, bias, y):
    """Block k computes channel k of every sample, its filter in shared memory."""
    k = cuda.blockIdx.x
    C, R, S = weight.shape[1:]
    N, P, Q = y.shape[0], y.shape[2], y.shape[3]
    filt = cuda.shared.array(0, float32)  # as many values as the launch gives each block: C R S
    # Copy filter k into filt, weight[k, c, r, s] to place (c R + r) S + s, and wait for all.
    ### BEGIN SOLUTION
    for i in range(cuda.threadIdx.x, C * R * S, cuda.blockDim.x):
        filt[i] = weight[k, i // (R * S), i // S % R, i % S]
    cuda.syncthreads()
    ### END SOLUTION
    for i in range(cuda.threadIdx.x, N * P * Q, cuda.blockDim.x):
        # Sample n, row p and column q of output i.
        ### BEGIN SOLUTION
        n, p, q = i // (P * Q), i // Q % P, i % Q
        ### END SOLUTION
        total = bias[k]
        for c in range(C):
            for r in range(R):
                for s in range(S):
                    total += x[n, c, p + r, q + s] * filt[(c * R + r) * S + s]
        y[n, k, p, q] = total


# %% nbgrader={"schema_version": 3, "grade_id": "model-mapping-check", "solution": false, "grade": true, "locked": true, "task": false, "points": 1}
check("model-mapping", model_mapping)

# %%
hint("model-mapping")

# %% [markdown]
# ### Hybrid: a block for each sample and channel
#
# The paper's own proposal: divide both. The grid has two axes now, samples along x and channels along y. All of the
# body is yours; it is shorter than the model mapping.

# %%
exercise("hybrid-mapping")

# %% nbgrader={"schema_version": 3, "grade_id": "hybrid-mapping", "solution": true, "grade": false, "locked": false, "task": false}
def hybrid_mapping(x, weight, bias, y):
    """Block (n, k) computes channel k of sample n, its filter in shared memory."""
    ### BEGIN SOLUTION
    n, k = cuda.blockIdx.x, cuda.blockIdx.y
    C, R, S = weight.shape[1:]
    P, Q = y.shape[2], y.shape[3]
    filt = cuda.shared.array(0, float32)
    for i in range(cuda.threadIdx.x, C * R * S, cuda.blockDim.x):
        filt[i] = weight[k, i // (R * S), i // S % R, i % S]
    cuda.syncthreads()
    for i in range(cuda.threadIdx.x, P * Q, cuda.blockDim.x):
        p, q = i // Q, i % Q
        total = bias[k]
        for c in range(C):
            for r in range(R):
                for s in range(S):
                    total += x[n, c, p + r, q + s] * filt[(c * R + r) * S + s]
        y[n, k, p, q] = total
    ### END SOLUTION


# %% nbgrader={"schema_version": 3, "grade_id": "hybrid-mapping-check", "solution": false, "grade": true, "locked": true, "task": false, "points": 1}
check("hybrid-mapping", hybrid_mapping)

# %%
hint("hybrid-mapping")

# %% [markdown]
# The kernels that train networks in this course (`labkit/kernels/conv/forward.py`) are these three, with padding,
# strides and groups. Read them beside yours.
#
# ### How often is a weight read?
#
# Global memory is far away, so count. The second convolution of LeNet-5 has 16 maps of 10×10. By what factor does the
# data mapping read weights from global memory more often than the hybrid mapping?

# %%
question = "LeNet-5, conv2: weight reads of data over those of hybrid?"
predict("weight-reads", question=question, unit="times")

# %%
from labkit.kernels.experiments.sweeps import conv_of
from labkit.kernels.sizes import ConvSizes
from labkit.kernels.trace import conv_loads
from labkit.network import zoo

conv2 = ConvSizes.of(*conv_of(zoo.get("lenet5"), "conv2"), 32)
counts = {mapping: conv_loads(conv2, mapping) for mapping in ("data", "model", "hybrid")}
factor = counts["data"]["weight_loads"] / counts["hybrid"]["weight_loads"]
reveal("weight-reads", modelled=factor, unit="times")

# %%
keys = ("x_loads", "weight_loads", "shared_loads")
rows = [(mapping, *(counts[mapping][key] for key in keys)) for mapping in counts]
head = ("mapping", "reads of x", "reads of weights", "reads of shared memory")
Table("LeNet-5, conv2, batch 32: values read by the threads (computed)", head, tuple(rows))

# %% [markdown]
# In data each output reads its filter anew, and a map has $P Q = 100$ outputs; hybrid copies the filter once for each
# map, model once for all samples. The reads do not vanish: they go to shared memory, which is near. And nobody saves
# reads of $x$. (Whether a read of global memory is slow also depends on the caches, which keep what was read a moment
# ago. The next notebook looks at that.)
#
# ## Two threads, one cell
#
# The gradient of a bias is a sum over all samples and pixels of a channel. This kernel lets the threads of a block add
# up a part each; then one half of the threads adds the other half's parts to its own, and again, until one sum is left.
# There is a mistake in it. It was planted, but it is a popular one.

# %%
from labkit.course.demo_kernels import hasty_sum

Code(getsource(hasty_sum), language="python")

# %% [markdown]
# Two threads meet in one cell, and nothing says who comes first. In which line?

# %%
own = "partial[thread] += dy[...]"
halves = "partial[thread] += partial[thread + half]"
last = "dbias[k] = partial[0]"
question = "In which line do two threads meet in one cell?"
predict("race-line", question=question, choices=(own, halves, last))

# %%
dy, dbias = np.ones((2, 3, 3, 5), np.float32), np.zeros(3, np.float32)
traced = trace(hasty_sum, Launch((3, 1, 1), 8), dy, dbias)
found = findings(traced)[0]
line = getsource(hasty_sum).splitlines()[found.lines[0] - hasty_sum.__code__.co_firstlineno].strip()
reveal("race-line", modelled=line, note=found.sentence)

# %% [markdown]
# Here it is under the microscope. What was found is marked ✗; go there and look who wrote the cell, and who reads it.

# %%
block_microscope(traced)

# %% [markdown]
# All of `dy` is 1, so each sum should be 30. What came out when the threads ran one after the other, as the tracer lets
# them?

# %%
dbias

# %% [markdown]
# On a GPU threads of one warp run nearly in step, so with 32 threads or fewer this kernel mostly gives the right sum,
# and with 256 it sometimes does. That is why a race is found by looking at who touches what, never by looking at
# results.
#
# ### Your turn: mend it

# %%
exercise("mend-race")

# %% nbgrader={"schema_version": 3, "grade_id": "mend-race", "solution": true, "grade": false, "locked": false, "task": false}
def channel_sum(dy, dbias):
    """dbias[k] = sum of dy[n, k, p, q] over n, p, q; block k has channel k."""
    k, thread = cuda.blockIdx.x, cuda.threadIdx.x
    N, P, Q = dy.shape[0], dy.shape[2], dy.shape[3]
    partial = cuda.shared.array(MOST_THREADS, float32)
    partial[thread] = float32(0)
    for i in range(thread, N * P * Q, cuda.blockDim.x):
        partial[thread] += dy[i // (P * Q), k, i // Q % P, i % Q]
    cuda.syncthreads()
    half = cuda.blockDim.x // 2
    # Halve until one sum is left, so that no two threads meet.
    ### BEGIN SOLUTION
    while half > 0:
        if thread < half:
            partial[thread] += partial[thread + half]
        cuda.syncthreads()
        half //= 2
    ### END SOLUTION
    if thread == 0:
        dbias[k] = partial[0]


# %% nbgrader={"schema_version": 3, "grade_id": "mend-race-check", "solution": false, "grade": true, "locked": true, "task": false, "points": 1}
check("mend-race", channel_sum)

# %%
hint("mend-race")

# %% [markdown]
# ## Beyond the edge
#
# Max pooling, 2×2, that takes the edge along: of 5 rows it makes 3. The second planted mistake reads what does not
# exist. A GPU would not complain: behind the last row of a channel there is the next channel, and behind the last array
# there is somebody else's. In the middle of an array not even the most careful reader of results would notice.

# %%
from labkit.course.demo_kernels import ragged_pool

Code(getsource(ragged_pool), language="python")

# %%
question = "2 samples of 3 channels of 5×4 pixels: how many of the 6 blocks read outside of x?"
predict("outside-blocks", question=question, unit="blocks")

# %%
x, y = np.ones((2, 3, 5, 4), np.float32), np.zeros((2, 3, 3, 2), np.float32)
traced = trace(ragged_pool, Launch((2, 3, 1), 8), x, y)
guilty = {fault.block for fault in traced.faults}
reveal("outside-blocks", modelled=len(guilty), unit="blocks", note=findings(traced)[0].sentence)

# %% [markdown]
# Every one of them: each block has a map, and each map has a last row. Five of the six would have read the map after
# theirs, unnoticed.

# %%
block_microscope(traced)

# %%
exercise("mend-outside")

# %% nbgrader={"schema_version": 3, "grade_id": "mend-outside", "solution": true, "grade": false, "locked": false, "task": false}
def edge_pool(x, y):
    """The largest of each 2 x 2 pixels, of those that exist; block (n, c) has channel c of sample n."""
    n, c = cuda.blockIdx.x, cuda.blockIdx.y
    H, W = x.shape[2], x.shape[3]
    P, Q = y.shape[2], y.shape[3]
    for i in range(cuda.threadIdx.x, P * Q, cuda.blockDim.x):
        h, w = i // Q * 2, i % Q * 2
        largest = x[n, c, h, w]
        # Compare with the other pixels of the window that begins at (h, w).
        ### BEGIN SOLUTION
        for r in range(min(2, H - h)):
            for s in range(min(2, W - w)):
                largest = max(largest, x[n, c, h + r, w + s])
        ### END SOLUTION
        y[n, c, h // 2, w // 2] = largest


# %% nbgrader={"schema_version": 3, "grade_id": "mend-outside-check", "solution": false, "grade": true, "locked": true, "task": false, "points": 1}
check("mend-outside", edge_pool)

# %%
hint("mend-outside")

# %% [markdown]
# ## Who writes the weights?
#
# FP is easy to divide, because outputs are independent. KU is not: every sample contributes to **every** weight. In the
# data mapping each block has one sample, so all blocks add to the same gradients (krishna-gupta-nayak, figure 5: the
# processors synchronise). In the model mapping a block has its filter and all samples, and nobody else writes there
# (figure 7).
#
# This is KU in the data mapping, written as if there were one block only:

# %%
from labkit.course.demo_kernels import kept_additions, lost_additions

print(getsource(lost_additions).splitlines()[-1].strip())
x, dy = np.ones((2, 1, 4, 4), np.float32), np.ones((2, 1, 3, 3), np.float32)
for kernel in (lost_additions, kept_additions):
    dweight = np.zeros((1, 1, 2, 2), np.float32)
    found = findings(trace(kernel, Launch((2, 1, 1), 4), x, dy, dweight))
    print(f"\n{kernel.__name__}: {dweight.ravel()}", *found, sep="\n  ")

# %% [markdown]
# The numbers are right both times, by luck: the tracer runs one block after the other. On a GPU both may read the old
# value, both add, both write, and one contribution is lost. `kept_additions` uses `cuda.atomic.add`, which reads, adds
# and writes in one piece. It is right in any order, and it has a price: blocks that add to the same weight queue up,
# and since sums are rounded, the last bits depend on the order.
#
# | phase | data | model | hybrid |
# |---|---|---|---|
# | FP: owns outputs $(n, k)$ | sample $n$ | channel $k$ | both |
# | BP: owns inputs $(n, c)$ | sample $n$ | input channel $c$ | both |
# | KU: owns weights of filter $k$ | nobody: atomic | block $k$ | one sample's share: atomic |
#
# ## One source, four executions
#
# You have run kernels in two ways. There are four in this course, and each is for something else:
#
# | execution | what it is for | what it cannot tell |
# |---|---|---|
# | GPU | time | who touched what |
# | CPU (`labkit.kernels.executors.cpu`) | training for real on this machine's cores | time on a GPU |
# | tracer (`labkit.kernels.trace`) | races, indices, barriers, counts of reads | anything large |
# | Numba's simulator (`NUMBA_ENABLE_CUDASIM=1`) | a second opinion on barriers | float64 by accident, anything large |
#
# ## An open task
#
# A fourth way to cut: a block for each **row** of outputs, $(n, k, p)$, a grid of three axes. It gives $P$ times as
# many blocks as hybrid. Write it, trace it until `findings` is empty, and count its reads of weights with
# `labkit.kernels.trace.loads`. Then say for which layer you would use it, and for which never. (What is read once for
# each block becomes $P$ times as much. Look at the last layers of AlexNet*, whose maps are 3×3.)
#
# ## Takeaways
#
# - Threads run in warps of 32, blocks on one SM; threads of a block share memory and can wait, blocks cannot.
# - The mapping decides how many blocks there are and what they share: data $N$, model $K$, hybrid $N K$.
# - Shared memory needs a barrier between writing and reading; all threads must reach it.
# - A race or an index outside of an array need not show in the numbers. Look at who touches what.
# - Where samples are divided among blocks, KU adds atomically; where filters are, it need not.
#
# ## Self-quiz
#
# Choose an answer, then open it.

# %%
quiz("03")

# %%
ledger()

# %% [markdown]
# ## Claims
#
# One of them can be computed: does the filter of a block always fit into shared memory (model and hybrid need that)?

# %%
from labkit.network import Conv

rows = []
for name in ("lenet5", "alexnet_star", "resnet18_star", "resnet18_32", "vgg16"):
    network = zoo.get(name)
    layers = [node for node in network.nodes if isinstance(node.layer, Conv)]
    convs = [(node.layer, network.input_shapes(node)[0][0]) for node in layers]
    largest = max(4 * C // conv.groups * conv.R * conv.S for conv, C in convs)
    rows.append((name, largest, 49152))
Table("Largest filter of a convolution", ("network", "bytes (computed)", "bytes of a block (table II)"), tuple(rows))

# %% [markdown]
# | claim | where | found here |
# |---|---|---|
# | a filter "is small enough to fit in the shared memory" | krishna-gupta-nayak, section V | yes, in all networks of the lab: see above |
# | shared memory is limited to 64 KB for each block | the same | 48 KiB on their three GPUs by their own table II; up to 227 KiB on an H200 |
# | KU synchronises in the data mapping, not in the model mapping | the same, figures 5 and 7 | yes: the trace finds blocks that meet in the first, none in the second |
# | hybrid blocks number batch × output channels | the same, section VI | yes, by the map above |
