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
# # 07 · Parameter servers
#
# **Time:** about 90 minutes; the machine needs less than one.
#
# - **20 minutes:** "One server" and "Who waits for whom", without the exercise.
# - **50 minutes:** also "Several servers" and "Faster steps, staler gradients".
# - **90 minutes:** everything, with the bound, the rank that dies, all exercises and the open task.
#
# **Goals.** At the end you can
#
# 1. say what a parameter server sends and receives, and from how many workers on it is the bottleneck;
# 2. place arrays on several servers, and say what no placement can do;
# 3. measure how stale an update is, and bound it;
# 4. decide between synchronous and asynchronous training by the only figure that counts, the time to an accuracy.
#
# **Back:** [06 · Data parallelism](06_data_parallelism.ipynb) · **Next:** the notebooks on pipelines, in preparation,
# then [11 · Hypergraphs](11_hypergraphs.ipynb)

# %%
from dataclasses import replace

from labkit.course import check, exercise, hint, ledger, predict, quiz, reveal, solution
from labkit.course import servers as lab
from labkit.course.parallel import start_ranks
from labkit.course.retrace import foreseen, retrace
from labkit.network import zoo
from labkit.run.job import Job
from labkit.schedule.simulate import simulate
from labkit.schemes import build
from labkit.widgets import live_run, server_plots, staleness, timeline

ranks = start_ranks(4)
ranks

# %% [markdown]
# ## One server
#
# In notebook 06 all ranks had the weights, and all of them updated them. A **parameter server** keeps them instead. A
# worker *pushes* its gradients to the server, the server updates the weights, and the worker *pulls* the new ones:
#
#     rank 0, server  |            serve |      serve |           serve |   serve |  ...
#     rank 1, worker  | F0:3 | B2:3 | B0:2 |    wait w0 | F0:2 | wait w1 | F2:3 | B2:3 |
#       its network   |             |- g1 ->|- g0 ->|<- w0 -|<- w1 -|
#
# The server computes no gradients: it is "another device" (eserol-2019, section 1.1.1). Our network is small, a
# perceptron with one hidden layer for digits of 8 × 8: 19,210 values in four arrays, and each array is a piece that is
# pushed and pulled by itself.

# %%
mlp = zoo.get("mlp", input_shape=(1, 8, 8))
one_server = build("parameter-server", mlp, ranks=4, batch=48)
print(one_server)

# %% [markdown]
# | spelling | what the rank does |
# |---|---|
# | `push g2>0 &` | send the gradients of piece 2 to the server on rank 0, in the background |
# | `pull w2<0 &` | take the server's answer to the last push of piece 2, in the background |
# | `wait w2` | wait until the weights of piece 2 are there (in the first step nobody has to) |
# | `serve sync` | take the next push, whoever it comes from; sum; after the last worker's, update and answer all |
#
# Every push gets exactly one answer. With one server and three workers, how much does the server *send* in a step?

# %%
question = "19,210 values of float32, one server, three workers: what does the server send in a step?"
predict("server-bytes", question=question, unit="kB")

# %% [markdown]
# Now four real processes, over an **emulated** link: data and arithmetic are real, and messages are held back until a
# network with 0.5 ms of latency and 20 MB/s would have delivered them. Workers are slowed down as well: they sleep for
# 8, 10 and 12 ms in every step, as if they had slower processors. Who sleeps needs no core, so four ranks fit on two.
# Only a ratio matters: here computing : sending all weights is about 10 ms : 4 ms.

# %%
from labkit.engine.optimizers import Momentum
from labkit.machine.links import parse_link

link = parse_link("emulated:500,20")
workers = lab.sleeping(0.008, 0.010, 0.012)
job = Job(steps=20, optimizer=Momentum(lr=0.2), link=link, slowed_s=workers)
result = ranks.run(one_server, job)
sent = result.use[0].bytes_sent / job.steps
reveal("server-bytes", measured=sent / 1e3, modelled=3 * 4 * mlp.parameters / 1e3, unit="kB")

# %% [markdown]
# All the weights, once for each worker, and as many gradients come in. Below, what everyone did: predicted above,
# measured below. Choose a step, and look at the server's lane. Where do the workers wait?

# %%
costs = lab.costs_of(mlp, job)
timeline(simulate(one_server, costs, 6), result.timeline, title="One server, three workers", step=3)

# %% [markdown]
# Three workers that begin at the same time also want the server at the same time. Its port takes one message after the
# other, so they queue up; and once more when all are answered. Each worker brings the same number of samples, whatever
# their number. How many times as long as with one worker does a step take with 16?

# %%
question = "One synchronous server: a step with 16 workers takes how many times as long as with one?"
predict("sixteen", question=question, unit="times")

# %%
curves = lab.more_workers(mlp, link, (1, 2, 3, 4, 6, 8, 12, 16), compute_s=0.010, each=16)
steps = curves["one server"]
reveal("sixteen", modelled=steps[16] / steps[1], unit="times")

# %%
from labkit.widgets.parallel_plots import curves_plot

shown = {name: {count: 1e3 * s for count, s in points.items()} for name, points in curves.items()}
title = "A step of the perceptron, 16 samples for each worker"
curves_plot(shown, title, f"simulated; link {link.name}, 10 ms of computing", "workers", "milliseconds")

# %% [markdown]
# Sixteen workers do sixteen times the samples in seven times the time: most of the gain is gone, and every further
# worker adds another 7 ms to the step of *all*. In a ring no port carries more than twice the weights, whatever the
# number of ranks. In a synchronous run the server is the first one that cannot keep up. There are two ways out: have
# more servers, or do not wait for each other.
#
# ## Several servers
#
# The first way: every worker is also the server of some arrays (**sharded**, eserol-2019, section 2.6.1). What a worker
# keeps itself it need not send. In the best case each of p ranks keeps 1/p of the values, and sends as much as in a
# ring. But which arrays go where? "The first algorithm performs in a round-robin manner" (section 5.2.3): array by
# array, in turn. VGG16 has 32 arrays; deal them out to two servers. What has the fuller one?

# %%
question = "VGG16's 32 arrays on 2 servers, round robin: share of all values on the fuller one?"
predict("round-robin", question=question, unit="%")

# %%
from labkit.schemes.placement import balance

vgg16 = zoo.get("vgg16")
dealt = balance(vgg16, 2, "round-robin")
reveal("round-robin", modelled=100 * max(dealt.loads) / sum(dealt.loads), unit="%")

# %%
print(dealt)
print(*(", ".join(dealt.arrays_of(server)[:5]) + ", ..." for server in (0, 1)), sep="\n")

# %% [markdown]
# Weights and biases take turns, and so do the servers. All the weights are on one, all the biases on the other. On any
# even number of servers half of them have next to nothing to do.
#
# The thesis's second algorithm "performs greedily": an array goes to the server that has the fewest values so far. Fill
# in what is missing. You are free to do better than the thesis.

# %%
exercise("greedy-placement")

# %% nbgrader={"schema_version": 3, "grade_id": "greedy-placement", "solution": true, "grade": false, "locked": false, "task": false}
def greedy_placement(values, servers):
    """The server of each array, so that the fullest server has as little as possible."""
    loads, owners = [0] * servers, [0] * len(values)
    order = range(len(values))  # in which arrays are placed; is it a good one?
    ### BEGIN SOLUTION
    order = sorted(order, key=lambda array: -values[array])
    for array in order:
        owners[array] = loads.index(min(loads))
        loads[owners[array]] += values[array]
    return owners
    ### END SOLUTION


# %% nbgrader={"schema_version": 3, "grade_id": "greedy-placement-check", "solution": false, "grade": true, "locked": true, "task": false, "points": 1}
check("greedy-placement", greedy_placement)

# %%
hint("greedy-placement")

# %%
from labkit.course.server_log import own_ages, own_balance

placements = [balance(vgg16, 4, how) for how in ("round-robin", "greedy")]
placements += own_balance(greedy_placement, vgg16, 4)
server_plots.balance_plot(placements, "VGG16 on four servers")

# %% [markdown]
# The first dense layer has 102,760,448 weights in a single array: 74 % of the network. Wherever it is, there is a server
# with at least that, which on four servers is 2.97 times the average. Greedy is as good as that allows, and hardly
# better than round robin. What would that be worth in time? Four workers, a synchronous step, only the messages, over
# the 10 Gbit/s Ethernet of the thesis. How many times faster than one server (a fifth device) are the four that share
# the arrays greedily?

# %%
question = "VGG16, 4 workers, messages only: four greedy servers are how many times as fast as one?"
predict("sharded-gain", question=question, unit="times")

# %%
ethernet = parse_link("ethernet10")
placed = lab.placed_step(vgg16, 4, each=32, compute_s=0.0, link=ethernet)
reveal("sharded-gain", modelled=placed["one server"] / placed["greedy"], unit="times")

# %%
from labkit.widgets.tables import Table

rows = []
for network in ("vgg16", "resnet18"):
    for count in (2, 4, 8):
        found = lab.placed_step(zoo.get(network), count, each=32, compute_s=0.0, link=ethernet)
        rows.append((network, count, *(f"{seconds:.3f}" for seconds in found.values())))
head = ("network", "workers", *found)
Table("Seconds of the messages of a synchronous step, 10 Gbit/s (simulated)", head, tuple(rows))

# %% [markdown]
# On ResNet-18, whose largest array has a fifth of the weights, servers on the workers are worth what they promise. On
# VGG16 the fullest server takes it nearly all away, and it gets worse with every server. The last column is what would
# help: **cut the arrays**. Then nobody has to place anything; and then one may as well use a ring.
#
# Table 5.15 of the thesis has measured times of VGG16, with 2 and 4 workers and six batch sizes. Synchronous runs are
# faster with servers on the workers (greedy) than with one server in 10 of the 12 cases; by 4 % in the middle. Compared
# with the factors above that is little: computing on the CPUs of that cluster takes most of such a step.
#
# ## Who waits for whom
#
# The second way out: do not wait.
#
# | mode | what the server does with a push |
# |---|---|
# | `sync` | sums those of all workers, updates once, then answers all: nobody computes with old weights |
# | `async` | updates with each at once, and answers its worker at once: nobody waits for another worker |
# | `ssp S` | like `async`, but a worker more than S steps ahead of the slowest gets its answer only when that one has come closer (stale-synchronous, Ho et al. 2013) |
#
# In `async` every push is an update of its own, of (its samples / all samples of a step) times its mean gradient, so
# that the pushes of one step together move the weights as far as one synchronous update does.
#
# The price: while a worker computes, others update. Its gradient is then applied to weights that it has not seen. The
# **staleness** of an update is the number of updates of a piece between the version that the gradient was computed with
# and the version that it is applied to. Three workers, no waiting: what will it be on average?

# %%
question = "Asynchronous, three workers: mean staleness of the updates?"
predict("mean-staleness", question=question, unit="versions")

# %% [markdown]
# Watch it live. The bars say where the time of every rank goes. Below them every update as it is made: which version of
# the weights each worker computed with, and how stale its update was. Sixty steps are over in a second or two (*Play*
# shows them again, slowly). Say `steps=600`, and there is time for *Pause*, *Step* and *Stop*, which hold all ranks
# between two steps.

# %%
asynchronous = build("parameter-server", mlp, ranks=4, batch=48, mode="async")
run = ranks.begin(asynchronous, replace(job, steps=60))
live_run(run, title="Asynchronous")

# %%
staleness(run)

# %%
run.wait()
ages = [update.staleness for update in run.result.staleness]
expected = foreseen(asynchronous, replace(job, steps=60), costs).staleness.mean()
reveal("mean-staleness", measured=sum(ages) / len(ages), modelled=expected, unit="versions")

# %% [markdown]
# With W workers the mean is **W − 1**, and speeds do not come into it. Every update makes one new version; the other
# W − 1 workers are in the middle of a gradient, and each of these gradients is now one version older. So every update
# adds W − 1 to the ages of all, and takes one gradient away. (A little less here: in the beginning all are fresh, and in
# the end the slowest is alone.) Speeds decide who has the old gradients: look at rank 3 in the histogram.
#
# ### Your turn: staleness from a log
#
# The server keeps records of this. You can work them out from a plain log of what it did.

# %%
exercise("staleness-of")

# %% nbgrader={"schema_version": 3, "grade_id": "staleness-of", "solution": true, "grade": false, "locked": false, "task": false}
def staleness_of(log):
    """Staleness of each update, in the order of the log."""
    versions = {}  # of each piece, now
    read = {}  # what (worker, piece) was last answered with
    found = []
    ### BEGIN SOLUTION
    for what, worker, piece in log:
        version = versions.get(piece, 0)
        if what == "answer":
            read[worker, piece] = version
        else:
            found.append(version - read.get((worker, piece), 0))
            versions[piece] = version + 1
    ### END SOLUTION
    return found


# %% nbgrader={"schema_version": 3, "grade_id": "staleness-of-check", "solution": false, "grade": true, "locked": true, "task": false, "points": 1}
check("staleness-of", staleness_of)

# %%
hint("staleness-of")

# %% [markdown]
# Here is your function on the log of the run that you have just watched:

# %%
own_ages(staleness_of, run.result, asynchronous)

# %% [markdown]
# And the three modes side by side, with the same workers:

# %%
modes = {"sync": {}, "async": {"mode": "async"}, "ssp 1": {"mode": "ssp", "bound": 1}}
schedules = {name: build("parameter-server", mlp, ranks=4, batch=48, **how) for name, how in modes.items()}
long = replace(job, steps=60)
results = {name: ranks.run(schedules[name], long) for name in ("sync", "ssp 1")} | {"async": run.result}
lab.modes_table(schedules, {name: results[name] for name in modes}, costs)

# %% [markdown]
# Without waiting a step is shorter, by a third in the simulation: pushes come when there is room, and while one worker
# is being answered another one sends. (Measured, it is less where other programs want the cores as well.) With bound 1
# some or nearly all of that is lost again: a fast worker soon is a step ahead, and waits. And these workers are nearly
# equally fast. What if one is not?
#
# ### A straggler
#
# Let worker 3 take 60 ms for what the others do in 8 and 10. A synchronous server makes one update of three gradients in a
# step, an asynchronous one an update of each gradient. How many times as many gradients does the latter apply in a
# second?

# %%
question = "Worker 3 takes 60 ms, the others 8 and 10: gradients applied in a second, async over sync?"
predict("straggler", question=question, unit="times")

# %%
unequal = replace(long, slowed_s=lab.sleeping(0.008, 0.010, 0.060))
slow_costs = lab.costs_of(mlp, unequal)
learned = {name: foreseen(schedules[name], unequal, slow_costs) for name in modes}
done = {name: lab.updates_by(one, 1.0) for name, one in learned.items()}
reveal("straggler", modelled=done["async"] / (3 * done["sync"]), unit="times")

# %% [markdown]
# Six steps of every worker, once synchronous, once not (simulated). Grey is waiting:

# %%
timeline(simulate(schedules["sync"], slow_costs, 6), title="sync, rank 3 is slow")

# %%
timeline(simulate(schedules["async"], slow_costs, 6), title="async, rank 3 is slow")

# %% [markdown]
# ## Faster steps, staler gradients
#
# More updates in a second: is that faster *training*? Only the time until the network is good enough says so. We need
# the accuracy at many moments of each run, and nobody has stopped a run to measure it. Fortunately the records of
# staleness say everything: which version of a piece each gradient was computed with, and which version it was applied
# to. So one process can **retrace** a run: compute each gradient again with the same old weights, and make the updates
# in the same order. If the records are right, the same weights must come out, however the ranks overtook each other.
# How far apart are they, for the asynchronous run that you watched?

# %%
runs = {}
for name, schedule in schedules.items():
    runs[name] = retrace(schedule, long, results[name].staleness, results[name].timeline)
apart = abs(runs["async"].parameters - results["async"].parameters).max()
print(f"largest difference of {mlp.parameters:,} weights: {apart}")

# %% [markdown]
# Zero: all 19,210 weights are the same to the last bit. On the way every worker's weights were tried on the 359 test
# digits. Learning rate 0.2 (momentum 0.9) as above, workers of 8, 10 and 12 ms, three modes. Which of them is the first
# to reach 95 %?

# %%
question = "Workers of 8, 10, 12 ms, learning rate 0.2: which mode is the first to reach 95 %?"
predict("winner", question=question, choices=tuple(modes))

# %%
reached = {name: one.reaches(0.95) for name, one in runs.items() if one.reaches(0.95)}
reveal("winner", measured=min(reached, key=reached.get))

# %%
server_plots.learning_plot(runs, 0.95, "Workers of 8, 10 and 12 ms, learning rate 0.2")

# %%
server_plots.learning_table(runs, 0.95, "Workers of 8, 10 and 12 ms, learning rate 0.2")

# %% [markdown]
# The two runs that do not wait make many more updates and learn less. Their gradients point downhill from where the
# weights *were*, two updates ago; with large steps that is no longer downhill. (Momentum makes it worse: it goes on
# adding up what is out of date already.)
#
# So synchronous training is better? Not so fast. The learning rate of 0.2 was chosen for a synchronous run. Each mode
# should be run with the learning rate that suits it. Try three, and take the best of each: how long does `async` take
# then, as a part of what `sync` takes?

# %%
question = "Each mode with its best learning rate: seconds of async to 95 %, as a part of sync's?"
predict("own-rate", question=question, unit="%")

# %%
rates = (0.05, 0.1, 0.2)
two = {name: schedules[name] for name in ("sync", "async")}
times = lab.race(two, long, 0.95, rates)
fastest = lab.best(times)
reveal("own-rate", modelled=100 * fastest["async"] / fastest["sync"], unit="%")

# %%
lab.race_table(times, 0.95, "Workers of 8, 10 and 12 ms")

# %% [markdown]
# These times are simulated and the arithmetic is real: the simulation says in which order updates are made, and one
# process makes them in that order. That takes a fraction of a second for each run, and gives the same result every
# time.
#
# A smaller step makes staleness harmless, and then asynchronous training gains about what its shorter steps promise.
# And with the straggler, each at its best?

# %%
question = "Worker 3 six times slower, best rates: 95 % how many times sooner in async than in sync?"
predict("straggler-race", question=question, unit="times")

# %%
slow_times = lab.race(schedules, unequal, 0.95, rates)
fastest = lab.best(slow_times)
reveal("straggler-race", modelled=fastest["sync"] / fastest["async"], unit="times")

# %%
lab.race_table(slow_times, 0.95, "Worker 3 is six times slower")

# %% [markdown]
# Now it is clear. Note what decided: not staleness alone, and not updates per second alone, but both, a learning rate,
# and how unequal the workers are. The thesis measured epochs, found asynchronous ones faster in all 12 cases with one
# server, and adds that "running 10 epochs faster does not mean reaching to the target accuracy faster". So it is.
#
# ## A bound
#
# `async` has no upper limit for staleness: the slower a worker, the older its gradients. A stale-synchronous server
# with bound S lets nobody get more than S steps ahead of the slowest worker. Write its rule; this time all of it.

# %%
exercise("ssp-bound")

# %% nbgrader={"schema_version": 3, "grade_id": "ssp-bound", "solution": true, "grade": false, "locked": false, "task": false}
def answered(waiting, counts, bound):
    """Workers that get their answer now."""
    ### BEGIN SOLUTION
    slowest = min(counts.values())
    return [worker for worker in waiting if counts[worker] - slowest <= bound]
    ### END SOLUTION


# %% nbgrader={"schema_version": 3, "grade_id": "ssp-bound-check", "solution": false, "grade": true, "locked": true, "task": false, "points": 1}
check("ssp-bound", answered)

# %%
hint("ssp-bound")

# %% [markdown]
# The bound counts *steps* that workers are apart; staleness counts *updates*. What does the one say of the other? Take
# three workers and S = 1. While a worker computes a step, how many updates can the other two make at most?

# %%
question = "Three workers, ssp with bound 1: the largest staleness that an update can have?"
predict("ssp-worst", question=question, unit="versions")

# %%
bounded = ranks.run(schedules["ssp 1"], unequal)
worst, law = max(update.staleness for update in bounded.staleness), (3 - 1) * (2 * 1 + 1)
reveal("ssp-worst", measured=worst, modelled=law, unit="versions")

# %%
staleness(bounded, bound=law, title="ssp 1, rank 3 is slow")

# %% [markdown]
# A worker begins when it is at most S steps ahead of the slowest. So another one may then be S steps behind it, and
# before the first has pushed it may come to be S steps ahead, and make one push more, which is taken and not answered:
# 2S + 1 updates. With W workers that makes **(W − 1)(2S + 1)** at most. It is a bound; a run may stay below it.

# %%
rows = []
for bound in (0, 1, 3, 7):
    schedule = build("parameter-server", mlp, ranks=4, batch=48, mode="ssp", bound=bound)
    one = foreseen(schedule, unequal, slow_costs)
    rows.append((f"ssp {bound}", 2 * (2 * bound + 1), int(one.staleness.max()), lab.updates_by(one, 1.0)))
rows.append(("async", None, int(learned["async"].staleness.max()), done["async"]))
head = ("mode", "staleness: at most", "found", "updates in the first second")
Table("Worker 3 is six times slower (simulated)", head, tuple(rows))

# %% [markdown]
# Here the bound buys little time: sooner or later the fast workers are S steps ahead, and from then on everybody goes
# at the slow one's pace. A bound is made for workers that are slow *in turns*, because of other users or of a disk:
# over a few steps such delays even out, and nobody has to wait for them. Against a worker that is always slow, give it
# fewer samples, or do without it.
#
# ## A rank dies
#
# On many machines one will fail. Train for 200 steps, with a **checkpoint** every 10 steps: all ranks meet, and each
# writes what it answers for (here the server has the weights and the momentum). In step 45 we kill the process of
# worker 2, without warning. What do the others say?

# %%
from pathlib import Path
from tempfile import mkdtemp

saved = replace(job, steps=200, checkpoint_folder=Path(mkdtemp()) / "checkpoints", checkpoint_every=10)
dying = ranks.begin(one_server, saved)
killed = lab.kill(dying, rank=2, step=45)
print(killed)

# %% [markdown]
# Nobody hangs. The message names the rank, the step and the instruction, and what the others were waiting for. Two
# workers and the server are left. Can they go on, as two workers of 24 samples instead of three of 16? From which
# step?

# %%
question = "Killed in step 45, a checkpoint every 10 steps: how many steps' work is lost?"
predict("lost", question=question, unit="steps")

# %%
fewer = build("parameter-server", mlp, ranks=3, batch=48)
rest = replace(saved, steps=60, resume=True, slowed_s=lab.sleeping(0.010, 0.010))
resumed = ranks.run(fewer, rest)
from_step = min(event.step for event in resumed.timeline.events)
reveal("lost", measured=killed.step - from_step, unit="steps")

# %%
from labkit.course.parallel import apart, one_process

whole = one_process(one_server, replace(job, steps=60))
print(f"went on from step {from_step}, with 2 workers; after 60 steps")
print(f"the weights are {apart(resumed, whole):.0e} apart from those of a run that nobody disturbed")

# %% [markdown]
# Synchronous, so the global batches are the same whoever computes them: what is left is rounding. It had to be the same
# number of samples per *global* batch, and the same seed.
#
# Now think about the other ranks. Whom is it worst to lose: a worker, the only server, or one of several servers? And
# what is lost when an asynchronous run is resumed?
#
# ## An open task
#
# Eight workers, one of them four times slower than the others, and the same link (simulated). Find a mode, a bound and
# a learning rate that reach 95 % sooner than those below, on the average of three seeds. Sharded servers are allowed
# (`servers="sharded"`, then nine ranks are nine workers); so is leaving the slow worker out. Say in one sentence why
# yours is faster, and what you would want to know before you use it on a real cluster.

# %%
crowd = replace(long, slowed_s=lab.sleeping(*[0.010] * 7, 0.040))
rivals = {
    "sync": build("parameter-server", mlp, ranks=9, batch=48),
    "async": build("parameter-server", mlp, ranks=9, batch=48, mode="async"),
}
lab.race_table(lab.race(rivals, crowd, 0.95, (0.05,)), 0.95, "Eight workers, one is slow")

# %% [markdown]
# ## Takeaways
#
# - One synchronous server sends and receives the weights once for each worker: its port is the bottleneck.
# - Several servers share that, as evenly as the largest array allows. On VGG16 no placement helps much; cutting does.
# - Asynchronous servers wait for nobody. With W workers an update is W − 1 versions stale on average.
# - Stale gradients need smaller steps. Compare modes by the time to an accuracy, each with its own learning rate.
# - With unequal workers asynchronous training gains most; a bound S limits staleness to (W − 1)(2S + 1).
# - Counts of updates, epochs and steps are no measure of training. Time to accuracy is.
#
# ## Self-quiz
#
# Choose an answer, then open it.

# %%
quiz("07")

# %%
ledger()

# %% [markdown]
# ## Claims
#
# Bytes and staleness of runs were measured here, over an emulated link; sweeps are simulated.
#
# | claim | where | found here |
# |---|---|---|
# | round robin "can lead to an imbalanced distribution of parameters" | eserol-2019, section 5.2.3 | yes: VGG16 on two servers, all weights on one and all biases on the other |
# | greedily, a "more balanced parameter distribution is obtained" | section 5.2.3 | 1.58 times the average for 2.00 on two servers, 3.06 for 3.28 on four; no placement is below 1.49 and 2.97 |
# | synchronous runs are faster with servers on the workers | section 5.2.3, table 5.15 | in 10 of the table's 12 cases; simulated without computing, by 1.5 to 2.3 times with greedy placement |
# | asynchronous runs show no such difference | section 5.2.3, table 5.15 | the table has 6 cases for and 6 against |
# | asynchronous training "is a faster method while there can be a convergence problem" | section 1.1.1 | both: more updates per second, and at the learning rate of the synchronous run it does not reach 95 % |
# | ssp: fast workers check for communications "at every iteration", slow ones "every S iterations" | section 2.6.1 | not what is built here: a worker may be S steps ahead of the slowest (Ho et al. 2013) |
