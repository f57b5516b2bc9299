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
# # 06 · Data parallelism
#
# **Time:** about 90 minutes. Running all cells takes half a minute to a minute of it.
#
# - **20 minutes:** "Shard, average, update" and "A step as a list", without the exercise.
# - **50 minutes:** also "Round the ring" and "Which collective, when".
# - **90 minutes:** everything, with master and worker, overlap, strong scaling and all exercises.
#
# **Goals.** At the end you can
#
# 1. combine the gradients of uneven shards, and prove that two processes train like one;
# 2. read and write the list of what every rank does in a step, and find what is wrong with one before it runs;
# 3. write a ring all-reduce, and choose between collectives by latency and bandwidth;
# 4. say where the time of a rank goes, what overlap can hide, and where more ranks stop helping.
#
# **Back:** [05 · Faster kernels](05_faster_kernels.ipynb) · **Next:**
# [07 · Parameter servers](07_parameter_servers.ipynb), then [11 · Hypergraphs](11_hypergraphs.ipynb)

# %%
from dataclasses import replace

from labkit.course import check, exercise, hint, ledger, parallel, predict, quiz, reveal, solution
from labkit.network import zoo
from labkit.run.job import Job
from labkit.schemes import build, cost
from labkit.widgets import parallel_plots, timeline, topology
from labkit.widgets.tables import Table

ranks = parallel.start_ranks(2)
ranks

# %% [markdown]
# This cell started two processes, called **ranks**. They talk to each other by messages (MPI), have nothing else in
# common, and stay for the whole notebook. They will be ready when you need them. (Where another notebook has ranks of
# its own, every run here starts new ones, which takes some seconds each time. Shut the other notebook's kernel down,
# and run this cell again.)
#
# ## Shard, average, update
#
# Data parallelism in three sentences. Every rank has *all* the weights, and all have the same. Each computes the
# gradient for its own part of the batch, its **shard**. The gradients are combined, every rank takes the same step with
# the same result, and so the weights stay the same without ever being sent.
#
# All the difficulty is in one word, "combined". Take 33 digits on two ranks: 16 for one of them, 17 for the other. The
# loss of a batch is the *mean* over its samples. So let us take the mean of the two gradients. How far is that from the
# gradient of the 33? (Length of the difference, in per cent of the length of that gradient.)

# %%
question = "Shards of 16 and 17: how far is the plain mean from the gradient of all 33?"
predict("plain-mean", question=question, unit="%")

# %%
from labkit.data import load, shard
from labkit.engine import Model

lenet5 = zoo.get("lenet5")
x, labels = load("digits", shape=lenet5.input_shape).train.take(range(33))
model = Model(lenet5, batch=33, threads=1)
whole = parallel.gradient_of(model, x, labels)
parts = [shard(33, rank, 2) for rank in range(2)]
first, second = (parallel.gradient_of(model, x[part], labels[part]) for part in parts)
reveal("plain-mean", measured=100 * parallel.off_by((first + second) / 2, whole), unit="%")

# %% [markdown]
# Small, wrong, and never noticed: training would still work, somehow. That is what makes such mistakes expensive. Each
# sample of the smaller shard counts 17/16 times as much as one of the other. The right weights are the shares of the
# samples:

# %%
right = 16 / 33 * first + 17 / 33 * second
print(f"weighted: off by {parallel.off_by(right, whole):.0e} of the length of the gradient")

# %% [markdown]
# What remains is rounding: float32 has about seven digits, and the sums were taken in another order. Now for any number
# of ranks:

# %%
exercise("shard-gradient")

# %% nbgrader={"schema_version": 3, "grade_id": "shard-gradient", "solution": true, "grade": false, "locked": false, "task": false}
def shard_gradient(gradients, samples):
    """The gradient of the whole batch, from those of its shards and their numbers of samples."""
    ### BEGIN SOLUTION
    total = sum(samples)
    return sum(n / total * g for g, n in zip(gradients, samples, strict=True) if n)
    ### END SOLUTION


# %% nbgrader={"schema_version": 3, "grade_id": "shard-gradient-check", "solution": false, "grade": true, "locked": true, "task": false, "points": 1}
check("shard-gradient", shard_gradient)

# %%
hint("shard-gradient")

# %% [markdown]
# In labkit each rank weighs its gradient *before* it is sent, by its share of the batch. Then a plain **sum** over all
# ranks is the answer, and a rank without samples adds zeros. So from here on "all-reduce" means: everybody gets the
# sum.
#
# (One thing stays different. A layer that looks at other samples of the batch, such as batch normalisation, sees its
# rank's shard only. Two ranks then train like one process that takes the shards one after the other.)
#
# ## A step as a list
#
# What two ranks do in a step is a list, a **schedule**, made by a function that is called a *scheme*:

# %%
allreduce = build("allreduce", lenet5, ranks=2, batch=33, overlap=False)
print(allreduce)

# %% [markdown]
# | spelling | what the rank does |
# |---|---|
# | `F0:13` | forward propagation through the layers 0 to 12 |
# | `B0:13` | back-propagation through the same, with the gradients of the weights |
# | `allreduce g0 ring` | sum the gradients of piece 0 over all ranks, by the algorithm `ring` |
# | `U0:13` | update the weights of all layers |
#
# A *piece* is a range of the 61,706 values; here there is only one. Since a schedule is a value, it can be changed, and
# checked before it runs. Leave the all-reduce out, on both ranks:

# %%
from labkit.schedule.schedule import program

lonely = replace(allreduce, ranks=(program(["F0:13; B0:13; U0:13"]),) * 2)
results = ("it hangs", "the ranks' weights drift apart", "all is well")
question = "Both ranks leave the all-reduce out. What will happen?"
predict("lonely", question=question, choices=results)

# %%
print(parallel.drawn_fault(lonely))
reveal("lonely", modelled=results[1])

# %% [markdown]
# Nothing waits for anything, so nothing hangs. Each rank trains a network of its own, with half of the data, and nobody
# would have noticed before the end. The check follows every gradient and knows whose samples are in it.
#
# Now an all-reduce by hand. Two ranks: each receives the other's gradients, adds them (`+`), and sends its own.

# %%
steps = "F0:13; B0:13; recv g0<{other} +; send g0>{other}; U0:13"
programs = tuple(program([steps.format(other=1 - rank)]) for rank in range(2))
print(parallel.drawn_fault(replace(allreduce, ranks=programs)))

# %% [markdown]
# A **deadlock**: each waits for a message that the other will send afterwards. If both send first, each waits for the
# other to take its message: the same. If only one of them sends first, the other one sends back a sum in which the
# first one's samples are already, and they count twice. What is needed does both at once: a *swap*.

# %%
steps = "F0:13; B0:13; swap g0<>{other} +; U0:13"
programs = tuple(program([steps.format(other=1 - rank)]) for rank in range(2))
print(parallel.drawn_fault(replace(allreduce, ranks=programs)))

# %% [markdown]
# ### Two processes, one network
#
# The check says: this is stochastic gradient descent. The two ranks can say it, too. They train LeNet-5 for 20 steps,
# with 33 digits in each step; so does a single process in this kernel, without shards. Then we compare all 61,706
# weights. How far are they apart (length of the difference, in per cent of the length of all weights)?

# %%
distances = ("exactly 0", "less than 0.001 %", "about 1 %", "more than 10 %")
question = "20 steps on two processes, and on one: how far are the weights apart?"
predict("same-weights", question=question, choices=distances)

# %%
job = Job(steps=20)
two = ranks.run(allreduce, job)
one = parallel.on_threads(build("single", lenet5, ranks=1, batch=33), job)
far = parallel.apart(two, one)
reveal("same-weights", measured=distances[(far > 0) + (far > 1e-5) + (far > 0.1)])

# %%
shards = parallel.one_process(allreduce, job)
runs = {"33 samples at once": one, "16 samples, then 17": shards}
rows = [(name, f"{parallel.apart(two, run):.1g}", run.losses[-1]) for name, run in runs.items()]
head = ("two ranks against a process that takes", "weights apart", "its last loss")
print(f"{ranks}; their last loss: {two.losses[-1]:.2f}")
Table("LeNet-5, digits, batch 33, 20 steps (real, measured here)", head, tuple(rows))

# %% [markdown]
# Rounding in another order, after 20 steps as after one; and no difference at all from the process that adds in the
# same order. That is the test that every scheme in this lab has to pass.
#
# And what was sent? Each rank has counted its messages, in a *ledger*. The schedule says how many there should be, and
# a formula does:

# %%
from labkit.schedule.traffic import traffic

formula = [20 * size for size in cost("allreduce", lenet5, ranks=2, batch=33).bytes]
caption = "20 steps (measured here; counted from the list; modelled)"
parallel_plots.sent_table(two.traffic, traffic(allreduce).times(20), formula, caption)

# %% [markdown]
# ## Round the ring
#
# With two ranks a swap is enough. With four, everybody could send everything to everybody. The **ring** does better:
# cut the vector into as many chunks as there are ranks, and let chunks travel round.
#
# Step through it. A column is a value, two of them are a chunk; its levels say whose contributions are in the sum so
# far.

# %%
topology("allreduce", "ring", ranks=4, values=8)

# %% [markdown]
# For three rounds sums grow; after them each rank has one complete chunk, and it is not the one that it sent first. For
# three more rounds complete chunks are handed on.
#
# The gradients of LeNet-5 are 246.8 kB. On four ranks, what does each of them send in a step?

# %%
question = "LeNet-5, ring on 4 ranks: what does each rank send in a step?"
predict("ring-bytes", question=question, unit="kB")

# %%
sent = cost("allreduce", lenet5, ranks=4, batch=60)
reveal("ring-bytes", modelled=max(sent.bytes) / 1e3, unit="kB")

# %%
rows = []
for p in (2, 4, 8, 16, 64):
    ring, server = (cost(name, lenet5, ranks=p, batch=p) for name in ("allreduce", "master"))
    rows.append((p, ring.messages[0], max(ring.bytes) / 1e3, max(server.bytes) / 1e3))
head = ("ranks", "ring: messages of a rank", "ring: kB of a rank", "master: kB of rank 0")
Table("LeNet-5, one step (modelled)", head, tuple(rows))

# %% [markdown]
# 2 (p − 1)/p of the vector: never more than twice its length, on a hundred ranks as on four. No all-reduce can do with
# less: each value has to leave a rank once on its way to the sum, and the sum has to come back. The last column is what
# happens where one rank collects and hands out everything; we come back to that.
#
# What grows is the number of messages. Remember that for the next section.
#
# ### Your turn: write it
#
# A rank's part is a list of moves. `Move(to, sent, source, received, add)` sends the values `sent = (start, stop)` to
# rank `to`, and at the same time receives values from rank `source`, which are put at `received`, or added there. Here
# are the moves of two ranks with four values:

# %%
from labkit.course.exchange import played
from labkit.schedule.collectives import Move

swap = [[Move(1 - rank, (0, 4), 1 - rank, (0, 4), True)] for rank in range(2)]
print(*swap, sep="\n")

# %%
exercise("ring-allreduce")

# %% nbgrader={"schema_version": 3, "grade_id": "ring-allreduce", "solution": true, "grade": false, "locked": false, "task": false}
def ring_allreduce(rank, ranks, values):
    """The moves of one rank, after which every rank holds the sum of all vectors."""
    after, before = (rank + 1) % ranks, (rank - 1) % ranks
    moves = []
    ### BEGIN SOLUTION
    chunk = [(i * values // ranks, (i + 1) * values // ranks) for i in range(ranks)]
    for s in range(ranks - 1):
        sent, received = chunk[(rank - s) % ranks], chunk[(rank - s - 1) % ranks]
        moves.append(Move(after, sent, before, received, True))
    for s in range(ranks - 1):
        sent, received = chunk[(rank + 1 - s) % ranks], chunk[(rank - s) % ranks]
        moves.append(Move(after, sent, before, received))
    ### END SOLUTION
    return moves


# %% nbgrader={"schema_version": 3, "grade_id": "ring-allreduce-check", "solution": false, "grade": true, "locked": true, "task": false, "points": 1}
check("ring-allreduce", ring_allreduce)

# %%
hint("ring-allreduce")

# %% [markdown]
# Your moves, round by round, on three ranks with seven values (which do not divide evenly). Where something goes wrong,
# the first mistake is marked:

# %%
played(ring_allreduce, ranks=3, values=7)

# %% [markdown]
# ## Which collective, when
#
# A message costs its **latency** α, whatever is in it, and β for each byte: α + nβ. With that, four ways to sum n bytes
# over p ranks:
#
# | algorithm | idea | time |
# |---|---|---|
# | `ring` | chunks travel round | 2 (p − 1) α + 2 (p − 1)/p · nβ |
# | `doubling` | swap everything with ranks at distance 1, 2, 4, ... | lg p · (α + nβ) |
# | `halving` | swap halves, quarters, ..., and the same way back | 2 lg p · α + 2 (p − 1)/p · nβ |
# | `tree` | collect up a tree, hand out down the tree | 2 ⌈lg p⌉ · (α + nβ) |
#
# Few messages with all the bytes, or many with few. Our **slow link** has a latency of 2 ms and 25 MB/s. It is made
# slow on purpose: messages and data are real, and each message is held back until its time has come (*emulated*). Ranks
# mostly sleep, so four of them fit on two cores. From which length on is the ring faster than doubling, on four ranks?

# %%
question = "4 ranks, 2 ms, 25 MB/s: from which length on is the ring faster than doubling?"
predict("crossing", question=question, unit="kB")

# %%
from labkit.limits import collectives as closed
from labkit.machine.links import parse_link

slow = parse_link("emulated:2000,25")
lengths = range(10_000, 1_000_000, 1_000)
ring, doubling = (
    {n: closed.seconds("allreduce", name, 4, n, slow) for n in lengths} for name in ("ring", "doubling")
)
reveal("crossing", modelled=next(n for n in lengths if ring[n] < doubling[n]) / 1e3, unit="kB")

# %%
from labkit.course import collective_times

names = ("ring", "halving", "doubling", "tree")
four = list(collective_times.emulated(names, [4], (4_000, 40_000, 400_000, 800_000), slow))
parallel_plots.collectives_plot(four, "All-reduce: the fastest one depends on the length")

# %%
origins = "modelled; simulated; emulated, measured here"
parallel_plots.collectives_table(four, f"4 ranks, 2 ms, 25 MB/s ({origins})")

# %% [markdown]
# Far left of 50 kB only the number of latencies counts, and doubling has fewest. Far right only bytes do. Doubling and
# ring meet where 4 latencies are worth half a vector: at 8 α/β = 8 × 50 kB. Those 50 kB are latency times bandwidth,
# the bytes that could have been sent during one latency; they are all that the choice needs to know of a link.
# `halving` has the ring's bytes in twice doubling's messages, for powers of two; and `tree` never wins here. It is the
# one that one paper counts with; we will see what came of that.
#
# And through this machine's memory, between our two ranks, as fast as they go?

# %%
sizes = (4_000, 400_000, 800_000)
fast = collective_times.measured(ranks, (*names, "mpi"), sizes)
found = {(row["algorithm"], row["bytes"]): 1e6 * row["measured_s"] for row in fast}
rows = tuple((name, *(f"{found[name, n]:.0f}" for n in sizes)) for name in (*names, "mpi"))
Table("2 ranks, µs (real, measured here)", ("algorithm", "4 kB", "400 kB", "800 kB"), rows)

# %% [markdown]
# `mpi` is the library's own. Between two ranks doubling is a single swap, the ring and halving are two swaps of half
# the length, the tree is there and back. A message costs some ten microseconds here, most of them Python's, so for 4 kB
# fewer messages win again. For long vectors α + nβ is only half the truth: "sending" is copying, both ranks copy and
# add in one memory, and what the formula takes for two ports is a single bus. That is one reason why this notebook
# slows a link down where it wants to compare predictions with measurements.
#
# ### Where the formulas fail
#
# Three ranks, a short vector, a tree. The formula says 2 ⌈lg 3⌉ = 4 latencies. How many are there really?

# %%
question = "All-reduce of 1 kB by a tree of 3 ranks: how many latencies one after the other?"
predict("latencies", question=question, unit="latencies")

# %%
three = ("tree", "doubling", "ring")
odd = list(collective_times.emulated(three, (3, 6), (1_000, 16_000), slow))
found, modelled = (odd[0][key] / slow.latency_s for key in ("measured_s", "simulated_s"))
reveal("latencies", measured=found, modelled=modelled, unit="latencies", origin="emulated, measured here")

# %%
parallel_plots.collectives_table(odd, f"3 and 6 ranks, 2 ms, 25 MB/s ({origins})")

# %% [markdown]
# Ranks 1 and 2 both send to rank 0, which sits and waits for both *at the same time*; and on the way down it sends to
# both without waiting in between. The formula counts rounds as if each had to be over before the next begins. It is a
# bound, off by a factor of two here. The simulation follows every message through the ports of its two ranks, and is
# right where formulas are not. (`ring` has no such rounds to overlap, and its formula holds for any p.)
#
# ### "4 to 8 nodes"
#
# keuper-pfreundt-2016 divide a fixed batch among n nodes: computing takes T/n. Gradients are summed by a binary tree: 2
# lg n times 250 MB for AlexNet, over FDR InfiniBand (6.8 GB/s). Training, they find, "becomes communication bound after
# scaling to only 4 to 8 nodes". With their figures for a K80 (T = 0.9 s), where do the two meet if the tree is replaced
# by a ring?

# %%
question = "AlexNet, K80, 6.8 GB/s, ring: an exchange takes as long as computing on ... nodes?"
predict("keuper", question=question, unit="nodes")

# %%
from labkit.limits.crossing import KEUPER, KEUPER_LINK, crossing

ways, meet = ("server", "tree", "ring"), {}
for training in KEUPER:
    if training.device == "K80":
        T, n = training.compute_s, training.model_bytes
        meet[training.network] = [crossing(way, T, n, KEUPER_LINK) for way in ways]
reveal("keuper", modelled=meet["AlexNet"][-1], unit="nodes")

# %%
rows = tuple((network, *(f"{nodes:.1f}" for nodes in found)) for network, found in meet.items())
Table("K80, FDR: nodes (modelled)", ("", *ways), rows)

# %% [markdown]
# Their limit is reproduced: 5.2 nodes for AlexNet, 8.1 for GoogLeNet. It is not one of data parallelism, but of the
# tree: with a ring it is 13.2 and 25.5. (`server` is one node that collects and hands out everything. And with faster
# nodes the limit comes earlier, whatever the collective.)
#
# ## Master and worker
#
# The simplest way to sum was that of convnet-strategies-mpi: all ranks send their gradients to rank 0, the **master**,
# which updates and sends the weights back ("method 1").

# %%
master = build("master", lenet5, ranks=2, batch=720)
print(master)

# %% [markdown]
# The master has one port in and one port out. With two ranks it sends no more than a ring does, but on the way there
# its way out is idle, and on the way back its way in. With eight on the slow link, and a batch of 720 divided among
# them: for which part of the time does a worker compute? (Three steps, and say that a core does 30 billion operations
# per second.)

# %%
question = "Master and 7 workers, slow link, batch 720: a worker computes for which part of the time?"
predict("worker-computes", question=question, unit="%")

# %%
from labkit.schedule.costs import Costs, flops_costs
from labkit.schedule.simulate import simulate

core = Costs(flops_costs(lenet5, 30e9), slow, overhead_s=30e-6)
eight = simulate(build("master", lenet5, ranks=8, batch=720), core, steps=3)
reveal("worker-computes", modelled=100 * parallel_plots.use_of(eight, 7)[0], unit="%")

# %%
timeline(predicted=eight, title="Master and seven workers")

# %% [markdown]
# A queue. Each of the seven has a message of 10 ms, there is one port, and the way back is as long. The workers that
# seem to communicate mostly wait for their turn.
#
# Now for real, with two ranks: predicted above measured. What computing costs on this machine is measured first, at two
# batch sizes; then the step is predicted, and then it runs. (Absolute times say little here. What counts is the ratio:
# a model that travels in 10 ms between ranks that compute for 20 or 30 ms is about what AlexNet is to two K80s with 10
# Gbit Ethernet between them.)

# %%
here = parallel.costs_here(lenet5, slow, batches=(45, 360))
predicted = simulate(master, here, steps=6)
held = Job(steps=6, link=slow)
measured = ranks.run(master, held).timeline
timeline(predicted, measured, title="Master and worker, LeNet-5, batch 720", step=2)

# %%
parallel_plots.use_table({"predicted": predicted, "measured": measured})

# %% [markdown]
# The two messages take 24 ms of every step, and nobody computes meanwhile; which part of the step that is depends on
# how fast this machine computes. (If other programs run on it, `F` and `B` take longer than predicted, and a rank that
# is done early waits for the other one. The messages do not: the link does not care.)
#
# ### In chunks
#
# Method 2 of the paper: the master sends the weights in K chunks, in the order of the layers, and a worker's next
# forward propagation begins as soon as the first one is there. With N ranks that makes (N − 1)(1 + K) messages instead
# of 2 (N − 1), and the same bytes. For eight ranks on the slow link, which K is the fastest?

# %%
question = "8 ranks, slow link: the fastest number of chunks?"
predict("chunks", question=question, choices=("1", "4", "16", "64"))

# %%
took = {"2 ranks": {}, "8 ranks": {}}
for K in (1, 2, 4, 8, 16, 32, 64):
    for p, times in zip((2, 8), took.values(), strict=True):
        times[K] = parallel.step_ms(build("chunked", lenet5, p, 720, chunks=K), core)
reveal("chunks", modelled=str(min(took["8 ranks"], key=took["8 ranks"].get)))

# %%
setting = "simulated: LeNet-5, batch 720, 30 GFLOP/s per rank, link of 2 ms and 25 MB/s"
title, axes = "Chunks of the way back", ("chunks K", "ms per step")
parallel_plots.curves_plot(took, title, setting, *axes, log_x=True)

# %% [markdown]
# With two ranks chunks help: at K = 16 a step takes 15 % less than with `master`, since the weights of the first
# layers, which have most to compute, come early. More chunks gain nothing and cost a message each.
#
# With eight ranks they hurt, and more chunks hurt more. With a whole model at a time the first worker is served
# first, computes, and its gradients come in while the others are still being served: they take turns. With chunks all
# get their last chunk at about the same time, all compute at the same time, and then all stand at the master's port.
#
# ### A shortcut
#
# The same paper has an idea that would save most bytes: "In the backward pass only one of the nodes is sufficient." All
# go forward; instead of gradients they send their *errors* at the output, ten values; the master averages them, goes
# back alone, updates, and sends the weights out.

# %%
shortcut = build("error-average", lenet5, ranks=2, batch=33)
outcomes = ("it learns as well", "it learns more slowly", "it learns nothing")
question = "60 steps of this shortcut on digits: what becomes of the loss?"
predict("shortcut", question=question, choices=outcomes)

# %%
longer = Job(steps=60)
cut, honest = ranks.run(shortcut, longer), ranks.run(allreduce, longer)
start, last, other = cut.losses[0], sum(cut.losses[-5:]) / 5, sum(honest.losses[-5:]) / 5
gained = (start - last) / (start - other)
reveal("shortcut", measured=outcomes[(gained < 0.9) + (gained < 0.1)])

# %%
losses = {
    name: {n + 1: run.losses[n] for n in range(0, 60, 3)}
    for name, run in (("allreduce", honest), ("error-average", cut))
}
where = "LeNet-5, digits, batch 33, 2 ranks (real, measured here)"
parallel_plots.curves_plot(losses, "The shortcut is not SGD", where, "step", "loss")

# %%
print(parallel.drawn_fault(shortcut))

# %% [markdown]
# The gradient of a weight is a sum over samples of *error × activation*. The mean of a product is not the product of
# the means: averaged over a batch in which every digit occurs, the errors nearly cancel, and what is left says nothing
# about any of its samples. The activations of the other rank never come to the master at all. The check knew it before
# anything ran.
#
# ## Overlap
#
# Back-propagation goes from the last layer to the first. The gradients of the last layers are complete long before
# those of the first. So let them travel while the others are computed: in **buckets**, each an all-reduce of its own
# that is handed to a second lane (`&`), and waited for before its weights are updated.

# %%
print(build("allreduce", lenet5, ranks=2, batch=720, bucket_bytes=65_536))

# %% [markdown]
# One bucket for everything cannot overlap. A bucket for each of the five layers with weights has five times as many
# latencies. On the slow link, two ranks, batch 720: how many buckets are best?

# %%
question = "2 ranks, slow link, LeNet-5, batch 720: which number of buckets is the fastest?"
predict("buckets", question=question, choices=("1", "2", "5"))

# %%
together = {}
for least in (0, 32_768, 65_536, 2**20):
    tried = build("allreduce", lenet5, ranks=2, batch=720, bucket_bytes=least)
    together[len(tried.pieces)] = parallel.step_ms(tried, core)
reveal("buckets", modelled=str(min(together, key=together.get)))

# %%
Table("As above (simulated)", ("buckets", "ms per step"), tuple(sorted(together.items())))

# %% [markdown]
# Two: the dense layers and the large convolution in one, which leaves early and holds 96 % of the values; the first two
# convolutions, which have 84 % of the work, in the other. It is the shape of the network that makes overlap easy
# here: **weights sit behind, work in front.**
#
# ### Your turn: place what travels, and the waits

# %%
exercise("overlap-buckets")

# %% nbgrader={"schema_version": 3, "grade_id": "overlap-buckets", "solution": true, "grade": false, "locked": false, "task": false}
def overlap_step(cuts):
    """What every rank does in a step; bucket n: the gradients of the layers cuts[n] = (first, end)."""
    lines = [f"F0:{cuts[0][1]}"]
    ### BEGIN SOLUTION
    for n, (first, end) in enumerate(cuts):
        lines += [f"B{first}:{end}", f"allreduce g{n} ring &"]
    for n in range(len(cuts)):
        lines += [f"wait g{n}", f"U w{n}"]
    ### END SOLUTION
    return lines


# %% nbgrader={"schema_version": 3, "grade_id": "overlap-buckets-check", "solution": false, "grade": true, "locked": true, "task": false, "points": 1}
check("overlap-buckets", overlap_step)

# %%
hint("overlap-buckets")

# %% [markdown]
# What does overlap save for real, on our two ranks over the slow link? (If other programs compete for the cores, times
# of computing vary more than overlap can save. Then compare the pictures, or run this cell again when the machine is
# quiet.)

# %%
plain = build("allreduce", lenet5, ranks=2, batch=720, overlap=False)
hidden = build("allreduce", lenet5, ranks=2, batch=720, bucket_bytes=65_536)
before, after = ranks.run(plain, held), ranks.run(hidden, held)
both = (("all at the end", plain, before), ("two buckets, behind", hidden, after))
rows = [(name, parallel.step_ms(s, here, 6), 1e3 * run.seconds / 6) for name, s, run in both]
head = ("gradients travel", "predicted", "measured here")
Table("ms per step (simulated; emulated)", head, tuple(rows))

# %%
overlapped = simulate(hidden, here, steps=6)
timeline(overlapped, after.timeline, title="Two buckets behind back-propagation", step=2)

# %% [markdown]
# ## More ranks for the same batch
#
# **Strong scaling:** the batch stays, and each of p ranks has 1/p of it. Computing shrinks; what travels does not. Take
# AlexNet with a batch of 256 on ranks like a K80 (an iteration takes 0.85 s on one), a ring, and all the overlap there
# can be. How much faster are 64 of them than one, on InfiniBand?

# %%
question = "AlexNet, batch 256, K80s on FDR InfiniBand, ring, overlap: speed-up on 64 ranks?"
predict("strong-scaling", question=question, unit="times")

# %%
from labkit.machine.links import NAMED

alexnet = zoo.get("alexnet")
compute = flops_costs(alexnet, 2e12, 240e9)
times = {}
for link, algorithm in (("fdr", "ring"), ("fdr", "tree"), ("ethernet10", "ring")):
    costs, more = Costs(compute, NAMED[link]), {"algorithm": algorithm, "bucket_bytes": 25_000_000}
    steps = {p: build("allreduce", alexnet, p, 256, **more) for p in (1, 2, 4, 8, 16, 32, 64)}
    times[f"{algorithm}, {link}"] = {p: parallel.step_ms(s, costs, 1) for p, s in steps.items()}
speed = {name: {p: row[1] / row[p] for p in row} for name, row in times.items()}
reveal("strong-scaling", modelled=speed["ring, fdr"][64], unit="times")

# %%
caption = "simulated: batch 256, 2 TFLOP/s and 240 GB/s per rank, buckets of 25 MB, overlap"
axes = ("ranks", "times as fast as one")
parallel_plots.curves_plot(speed, "AlexNet: speed-up", caption, *axes, log_x=True, log_y=True)

# %% [markdown]
# Up to 8 ranks nearly everything hides behind back-propagation. Then what has to travel takes longer than what there is
# to compute, and since the ring's bytes do not shrink with p, neither does the step: 250 MB, twice, at 6.8 GB/s are 73
# ms. With the tree 64 ranks are slower than 4, and on 10 Gbit Ethernet even the ring has nothing to gain beyond 4. No
# collective helps there any more. What does: send less, or compute more between two exchanges.
#
# A larger batch does that, **weak scaling**, as long as training bears it. And there is a price on the other side as
# well: a rank with few samples computes less well. What a sample costs on this machine's core, by the two sizes
# measured above:

# %%
rows = []
for share in (360, 90, 24, 6, 1):
    seconds = sum(phase.of(share) for layer in here.compute.layers for phase in layer)
    rows.append((720 // share, share, 1e6 * seconds / share))
head, origin = ("ranks", "samples of each", "µs per sample"), "modelled from two sizes measured here"
Table(f"LeNet-5, batch 720: FP, BP and KU on one core ({origin})", head, tuple(rows))

# %% [markdown]
# ## An open task
#
# You may buy eight machines like this one, and either links of 1 Gbit/s with a latency of 50 µs, or links of 10 Gbit/s
# with 10 µs for five times the price. Choose a network, a batch, a collective and buckets, simulate
# (`emulated:50,125` and `ethernet10` are links), and write the sentence that defends the purchase. It has the speed-up
# with its regime, what limits it, and from which batch on the cheap links would do.
#
# ## Takeaways
#
# - Gradients of shards count by their samples; then p ranks train like one, up to rounding.
# - A step is a list: check it before it runs. A deadlock and a silent mistake are both visible there.
# - The ring sends 2 (p − 1)/p of the vector per rank, and no all-reduce can send less; it pays with latencies.
# - Latency times bandwidth says which vectors are short. Formulas hold where everybody waits for everybody; simulate the
#   rest.
# - A master is a port that all others wait for.
# - Overlap hides no more than there is to compute meanwhile, and with the batch per rank that shrinks.
#
# ## Self-quiz
#
# Choose an answer, then open it.

# %%
quiz("06")

# %%
ledger()

# %% [markdown]
# ## Claims
#
# Runs on two ranks are real, or emulated where a link was slowed down on purpose; more ranks are emulated or simulated.
#
# | claim | where | found here |
# |---|---|---|
# | method 1: 2 N messages, payload 2 N × model | convnet-strategies-mpi | 2 (N − 1) of each, since the master computes, too; ledger, schedule and formula agree |
# | method 2: N (1 + K) messages of model/K on average | convnet-strategies-mpi | (N − 1)(1 + K); with the same payload their mean is 2/(1 + K) of the model: the paper's is right for K = 1 only |
# | chunks overlap with the next forward propagation | convnet-strategies-mpi | yes: 15 % with two ranks; with eight they make a step slower (simulated) |
# | "in the backward pass only one of the nodes is sufficient" | convnet-strategies-mpi | no: that is not SGD, and it learns next to nothing (real) |
# | "communication bound after scaling to only 4 to 8 nodes" | keuper-pfreundt-2016, section II | AlexNet 5.2, GoogLeNet 8.1 with their tree; 13.2 and 25.5 with a ring (modelled) |
# | a binary tree needs at most log2(n) sends at a time | keuper-pfreundt-2016, section II.A | up and down: 2 ⌈lg n⌉, a bound; half of it for 3 ranks and a short vector (emulated) |
# | data parallelism sends 2 (n − 1) values for each weight | eserol-2019, section 5.1.8 | over all ranks, by ring and by tree; per rank the ring sends less than two |
