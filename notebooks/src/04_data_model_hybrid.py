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
# # 04 · Data, model, hybrid
#
# **Time:** about 90 minutes; the machine needs about half of one.
#
# - **20 minutes:** "Where the times come from" and "Flat until every SM has a block".
# - **50 minutes:** also "Who overtakes whom" and "Which layer gains", without the exercises.
# - **90 minutes:** everything, with loads, energy, the mixed mapping and the closing conjecture.
#
# **Goals.** At the end you can
#
# 1. say before it runs at which batch a mapping stops being flat, on any GPU;
# 2. explain a launch by blocks per SM, waves, tail and occupancy;
# 3. choose a mapping for each layer, and say why one mapping for all is a compromise;
# 4. tell a measurement, a recording, a model and a claim apart, and check the last by the others.
#
# **Back:** [03 · Blocks and mappings](03_blocks_and_mappings.ipynb) · **Next:**
# [05 · Faster kernels](05_faster_kernels.ipynb)

# %%
from IPython.display import Markdown

from labkit.course import check, exercise, hint, ledger, predict, quiz, reveal, solution
from labkit.kernels import experiments as lab
from labkit.machine.gpus import find
from labkit.widgets import block_scheduler, kernel_plots
from labkit.widgets.tables import Table

# %% [markdown]
# ## Where the times come from
#
# krishna-gupta-nayak ran three mappings on three GPUs (table II) that few people still have. This notebook repeats
# their experiments with the kernels of notebook 03, and every number says where it comes from:
#
# - **modelled:** a formula. A launch takes as long as the largest of four bounds: instructions, loads, waiting, memory
#   (`labkit/kernels/timing_model.py`). Trust its ratios within a factor of two, its seconds less.
# - **measured here:** the kernels ran on this machine, on its GPU if it has one, else on its cores.
# - **recorded on ...:** they ran on a GPU elsewhere.
# - **claimed:** the paper says so.

# %%
k40, here = lab.source("k40"), lab.source(budget_s=0.15)
recordings = lab.recordings()
rows = [("k40", k40.device, k40.origin), ("here", here.device, here.origin)]
rows += [("recordings", one.gpu, one.origin) for one in recordings]
Table("Sources of times", ("name", "device", "origin"), tuple(rows))

# %% [markdown]
# ## Flat until every SM has a block
#
# The data mapping has one block for each sample. A K40 has 15 SMs; suppose that blocks are so large that an SM holds
# one at a time. FP of one convolution takes some time for one sample. Up to which batch does it take **no longer** than
# that?

# %%
question = "K40, one block per SM: largest batch as fast as batch 1?"
predict("flat-until", question=question, unit="samples")

# %%
batches = range(1, 130)
gpus = [lab.source(key) for key in ("k40", "gtx1080ti", "p100")]
rows = list(lab.forward_vs_batch(gpus, "alexnet_star", "conv2", batches=batches, threads=512))
on_k40 = [row for row in rows if row["device"] == k40.device]
flat = max(row["batch"] for row in on_k40 if row["seconds"] < 1.01 * on_k40[0]["seconds"])
paper = "krishna-gupta-nayak, section VII.E and figure 18"
reveal("flat-until", modelled=flat, claimed=16, unit="samples", source=paper)

# %%
kernel_plots.forward_vs_batch_plot(rows)

# %% [markdown]
# The 16th sample finds all 15 SMs taken and has to wait for one: the time doubles. The paper says 16, 32 and 64 for
# GPUs of 15, 28 and 56 SMs; its batches are powers of two, and the next one is what it sees. "To feed work to all the
# SMs, we need a minimum batch size equal to the number of SMs": that is the rule, and the staircase is its proof.
#
# What happens between two steps is called a **wave**: as many blocks as all SMs hold at once. The last wave, the
# **tail**, is rarely full. Move the batch, the SMs and the blocks per SM, and watch both; then let it play, and give
# the blocks different times (*spread*): waves blur, and the tail stays.

# %%
block_scheduler(mapping="data", batch=16, channels=256, gpu="k40", blocks_per_sm=1, threads=512)

# %% [markdown]
# ### Your turn: waves and tail

# %%
exercise("waves")

# %% nbgrader={"schema_version": 3, "grade_id": "waves", "solution": true, "grade": false, "locked": false, "task": false}
def waves(blocks, held, sms):
    """Waves of a grid, SMs with work, and the share of all places that is used."""
    ### BEGIN SOLUTION
    room = held * sms
    count = -(-blocks // room)
    return count, min(blocks, sms), blocks / (count * room)
    ### END SOLUTION


# %% nbgrader={"schema_version": 3, "grade_id": "waves-check", "solution": false, "grade": true, "locked": true, "task": false, "points": 1}
check("waves", waves)

# %%
hint("waves")

# %% [markdown]
# How many blocks an SM holds is decided by what runs out first: places for warps, registers, or shared memory. labkit's
# own blocks have 256 threads. Until which batch is the same layer flat now, on the same K40?

# %%
question = "K40, blocks of 256 threads: largest batch as fast as batch 1?"
predict("flat-until-256", question=question, unit="samples")

# %%
rows = list(lab.forward_vs_batch([k40], "alexnet_star", "conv2", batches=batches))
flat = max(row["batch"] for row in rows if row["seconds"] < 1.01 * rows[0]["seconds"])
reveal("flat-until-256", modelled=flat, unit="samples")

# %%
told = lab.explain_layer("alexnet_star", "conv2", "data", batch=16, gpu=find("k40"))
Markdown("\n\n".join(told.sentences))

# %% [markdown]
# Two blocks share an SM, and neither is slower for it, because each of them mostly waits for memory: that is *latency
# hiding*. The share of the places for warps that is taken is called **occupancy**. A quarter of them is little, and it
# is the registers that keep more out.
#
# The same staircase stands in the model mapping, over its own number of blocks: the output channels (figure 19). The
# difference is that you may choose the batch, and nobody chooses channels to please a GPU.

# %%
rows = list(lab.forward_vs_channels(gpus, "alexnet_star", "conv2", channels=range(1, 129)))
kernel_plots.forward_vs_channels_plot(rows)

# %% [markdown]
# ## Who overtakes whom
#
# Now whole training steps: FP, BP, KU and the update, all layers, times the steps of an epoch. LeNet-5 has 6 filters in
# its first convolution; in the model mapping that leaves most of even a K40 idle, whatever the batch. The paper finds
# that data overtakes model at "a little less than 16". Which batch does the model of the K40 say?

# %%
question = "LeNet-5 on a K40: data overtakes model from which batch on?"
predict("lenet-overtakes", question=question, unit="samples")

# %% [markdown]
# Write the function that finds it first. Curves like these are not smooth (waves!), so "overtakes" must mean: from
# there on.

# %%
exercise("overtakes")

# %% nbgrader={"schema_version": 3, "grade_id": "overtakes", "solution": true, "grade": false, "locked": false, "task": false}
def overtakes(a, b):
    """The smallest batch from which on a takes less time than b; 0 if a is not ahead at the end."""
    ### BEGIN SOLUTION
    found = 0
    for batch in sorted(a, reverse=True):
        if a[batch] >= b[batch]:
            break
        found = batch
    return found
    ### END SOLUTION


# %% nbgrader={"schema_version": 3, "grade_id": "overtakes-check", "solution": false, "grade": true, "locked": true, "task": false, "points": 1}
check("overtakes", overtakes)

# %%
hint("overtakes")

# %%
fine = (1, 2, 4, 6, 7, 8, 9, 10, 12, 16, 32, 64)
epochs = {"data": {}, "model": {}, "hybrid": {}}
for row in lab.batch_sweep(k40, ("lenet5",), batches=fine):
    epochs[row["mapping"]][row["batch"]] = row["epoch_s"]
ahead = min(n for n in fine if all(epochs["data"][m] < epochs["model"][m] for m in fine if m >= n))
paper = "krishna-gupta-nayak, section VII.A and figure 12"
reveal("lenet-overtakes", modelled=ahead, claimed=16, unit="samples", source=paper)

# %%
rows = list(lab.batch_sweep(k40, ("lenet5", "alexnet_star")))
kernel_plots.batch_sweep_plot(rows)

# %% [markdown]
# Read it with the paper's figures 11 and 12 beside it.
#
# - **data** falls steeply, as long as there are SMs without a sample, and then saturates: as in the paper. On LeNet-5 all
#   three meet at batch 8, within 2 %: a model that is right within a factor of two cannot say that it is not 4 or 12.
# - **model** is a horizontal line in the paper. Here it falls: labkit's blocks work on all samples at once, so on maps
#   of 3×3 (nine outputs for a sample) a larger batch employs more of a block's threads.
# - **hybrid** is saturated on AlexNet* at batch 8, as the paper says (on LeNet-5 it still gains a quarter after that).
#   That is its point: full speed with little memory. But the other two overtake it on AlexNet*, and data does on
#   LeNet-5, from batch 16 on. The paper says that it "always performs better". Why not here? Keep the question for a
#   moment.
#
# And on the machine in front of you:

# %%
rows = list(lab.batch_sweep(here, ("lenet5",), batches=(1, 8, 64)))
kernel_plots.batch_sweep_plot(rows)

# %% [markdown]
# If `here` is "(cpu)" in the table of sources, you see the same kernels on a few cores: there are never too few blocks
# for them, so no curve falls because SMs fill up. What is left is how much work each mapping makes for one core. A
# picture of a GPU it is not. If there is a recording of one, here it is:

# %%
recorded = recordings[0].rows("batch_sweep") if recordings else []
none = "*No GPU has been recorded in this checkout yet: on a GPU server, `python benchmarks/gpu.py` makes a recording.*"
kernel_plots.batch_sweep_plot(recorded) if recorded else Markdown(none)

# %% [markdown]
# ## Which layer gains
#
# Figure 15 of the paper takes AlexNet* apart. Its first convolutions work on large maps (28×28 here), its last ones on
# maps of 3×3. In FP, which of the five gains most from the step from data to model, that is, from a filter in shared
# memory?

# %%
convs = ("conv1", "conv2", "conv3", "conv4", "conv5")
question = "AlexNet*, FP, batch 64: which layer gains most from model?"
predict("gains-most", question=question, choices=convs)

# %%
profile = list(lab.profile(k40, "alexnet_star", batch=64))
fp = {(r["layer"], r["mapping"]): r["seconds"] for r in profile if r["kernel"].startswith("forward")}
gain = {layer: fp[layer, "data"] / fp[layer, "model"] for layer in convs}
reveal("gains-most", modelled=max(gain, key=gain.get))

# %%
from labkit.kernels.experiments.sweeps import conv_of
from labkit.kernels.sizes import ConvSizes
from labkit.network import zoo

rows = []
for layer in convs:
    z = ConvSizes.of(*conv_of(zoo.get("alexnet_star"), layer), 64)
    times = [1e3 * fp[layer, mapping] for mapping in ("data", "model", "hybrid")]
    rows.append((layer, f"{z.P}×{z.Q}", z.P * z.Q, z.C // z.groups * z.R * z.S, *times))
head = ("layer", "map", "uses of a weight", "values copied", "data, ms", "model, ms", "hybrid, ms")
Table("AlexNet*, FP, batch 64, K40 (modelled)", head, tuple(rows))

# %% [markdown]
# *Uses of a weight* is how often a hybrid block uses each value of its filter after having copied it: 784 times in
# `conv1`, nine times in `conv3`. That is the paper's own explanation: the reuse is "overridden by the time taken by the
# threads to store data from global to shared memory". There is a second reason, and `explain` names it:

# %%
told = lab.explain_layer("alexnet_star", "conv3", "hybrid", batch=64, gpu=find("k40"))
Markdown("\n\n".join(told.sentences))

# %% [markdown]
# A block of one warp, for nine outputs, that takes a fifth of the shared memory: five warps on an SM that has places
# for 64, and 23 threads of each with nothing to multiply. Tail efficiency is perfect, and it does not help. So here is
# why hybrid loses on AlexNet* in this lab: three of its five convolutions have 3×3 maps. On LeNet-5 it is `conv3`,
# whose map is a single pixel: each weight is copied to be used once. The paper sees the same effect, but a smaller one,
# with kernels that it does not print.
#
# ### Your turn: a mapping for each layer
#
# Nobody has to use one mapping for all layers. From the profile, find the best one for each.

# %%
exercise("best-mapping")

# %% nbgrader={"schema_version": 3, "grade_id": "best-mapping", "solution": true, "grade": false, "locked": false, "task": false}
def best_mapping(rows):
    """Layer -> the mapping that takes least time over all rows of the layer."""
    ### BEGIN SOLUTION
    sums = {}
    for row in rows:
        key = row["layer"], row["mapping"]
        sums[key] = sums.get(key, 0.0) + row["seconds"]
    best = {}
    for layer, mapping in sums:
        if layer not in best or sums[layer, mapping] < sums[layer, best[layer]]:
            best[layer] = mapping
    return best
    ### END SOLUTION


# %% nbgrader={"schema_version": 3, "grade_id": "best-mapping-check", "solution": false, "grade": true, "locked": true, "task": false, "points": 1}
check("best-mapping", best_mapping)

# %%
hint("best-mapping")

# %% [markdown]
# What would it buy at batch 8, where hybrid is saturated and the others are not? A guess first: the time of a step with
# the best mapping in each layer, as a part of the time with the best single mapping.

# %%
question = "AlexNet*, K40, batch 8: a mapping for each layer, as a part of the best single one?"
predict("mixed", question=question, unit="%")

# %%
profile = list(lab.profile(k40, "alexnet_star", batch=8))
layers = list(dict.fromkeys(r["layer"] for r in profile))
spent = {(layer, m): 0.0 for layer in layers for m in epochs}
for r in profile:
    spent[r["layer"], r["mapping"]] += r["seconds"]
single = {m: sum(spent[layer, m] for layer in layers) for m in epochs}
mixed = sum(min(spent[layer, m] for m in epochs) for layer in layers)
reveal("mixed", modelled=100 * mixed / min(single.values()), unit="%")

# %%
heavy = [layer for layer in layers if layer.startswith(("conv", "fc"))]
rows = [(layer, *(1e3 * spent[layer, m] for m in epochs)) for layer in heavy]
Table("A step of AlexNet*, batch 8, K40: ms per layer (modelled)", ("layer", *epochs), tuple(rows))

# %% [markdown]
# Hybrid for the large maps and the dense layers, model for the 3×3 maps: less than half of the time of either. And an
# epoch of this mixture at batch 8 takes only a sixth longer than one of the best single mapping at batch 128: the
# paper's promise, full speed at a small batch, comes true once each layer may choose. In `labkit train` that is
# `--mapping hybrid,conv3=model,conv4=model,conv5=model`.
#
# Look at the dense layers, too. A convolution uses a weight once for each pixel, a dense layer only once for each
# sample. So the best mapping of a dense layer is another one. (The paper finds data best there, because its model
# mapping has to synchronise all blocks after each layer; labkit's does not: at batch 8 data beats model here as well,
# and hybrid, with a block for each sample and output, is four times as fast as data.) Over *several* GPUs the same
# difference leads to data parallelism for the convolutions and model parallelism for the dense layers: Krizhevsky
# called that **One Weird Trick** (2014). What decides here between two kinds of blocks will decide, in the notebooks on
# several processors, between two kinds of messages.
#
# ## Where the loads go
#
# Figure 14 of the paper counts loads by level of memory: from data to model L1 loads fall by 30 %, L2 loads by 14 %,
# and loads of device memory by 95 %. Counting what threads ask for needs no GPU, only care:

# %%
exercise("conv-loads")

# %% nbgrader={"schema_version": 3, "grade_id": "conv-loads", "solution": true, "grade": false, "locked": false, "task": false}
def conv_loads(mapping, N, C, K, R, S, P, Q):
    """Values that threads load from (global, shared) memory; stride 1, no padding."""
    ### BEGIN SOLUTION
    products = N * K * P * Q * C * R * S
    if mapping == "data":
        return 2 * products, 0
    filters = K * C * R * S * (N if mapping == "hybrid" else 1)
    return products + filters, products
    ### END SOLUTION


# %% nbgrader={"schema_version": 3, "grade_id": "conv-loads-check", "solution": false, "grade": true, "locked": true, "task": false, "points": 1}
check("conv-loads", conv_loads)

# %%
hint("conv-loads")

# %% [markdown]
# Over all convolutions of AlexNet*, batch 32: by how many per cent do loads from global memory fall from data to model?

# %%
question = "AlexNet*: global loads of model are lower than those of data by?"
predict("loads-fall", question=question, unit="%")

# %%
loads = list(lab.loads("alexnet_star", batch=32, most_traced=0))
far = [row for row in loads if row["level"] == "global"]
total = {m: sum(row["loads"] for row in far if row["mapping"] == m) for m in epochs}
fall = 100 * (1 - total["model"] / total["data"])
paper = "krishna-gupta-nayak, section VII.B, L1 loads"
reveal("loads-fall", modelled=fall, claimed=30, unit="%", source=paper)

# %%
kernel_plots.loads_plot(lab.loads("lenet5", "conv2", batch=2, most_traced=500_000))

# %% [markdown]
# Half, very nearly: of the two factors of each product one has moved to shared memory. The third group counts
# *sectors*, what whole warps fetch. There the difference is small, a sixth: in data all threads of a warp mostly want
# the same weight, and one sector serves them all. (Here for `conv2` of LeNet-5. The paper counts 14 % at the L2, which
# is much the same; its 30 % at the L1 lie between the two ways of counting.) What comes from device memory depends on
# what the L2 keeps, and only a GPU's counters can tell. So "95 % fewer loads" may be right and says nothing about time,
# where the loads that remain are the bottleneck; the paper itself wonders that hybrid gains less than 5 % in time.
#
# ## Energy
#
# Table III of the paper: joules per epoch on a K40, batch 64. By how many per cent does hybrid save energy over data on
# AlexNet?

# %%
question = "AlexNet on the paper's K40: energy that hybrid saves over data?"
predict("energy-saved", question=question, unit="%")

# %%
claimed = lab.claimed_energy()
joules = {(row["network"], row["mapping"]): row["epoch_J"] for row in claimed}
saved = 100 * (1 - joules["alexnet_star", "hybrid"] / joules["alexnet_star", "data"])
reveal("energy-saved", claimed=saved, unit="%", source="krishna-gupta-nayak, table III")

# %%
kernel_plots.energy_plot(claimed)

# %% [markdown]
# Is the absolute number plausible? The paper's method is power times time, and a K40 draws at most 235 W. So 139,866 J
# are at least ten minutes for an epoch of AlexNet*; the model says how long labkit's kernels take:

# %%
row = next(lab.batch_sweep(k40, ("alexnet_star",), ("data",), (64,)))
least = ("table III, at 235 W all the time", joules["alexnet_star", "data"] / 235)
own = ("labkit's kernels (modelled)", row["epoch_s"])
Table("An epoch of AlexNet*, data mapping, batch 64", ("", "seconds"), (least, own))

# %% [markdown]
# The same order of magnitude, so the table is possible. Power that nobody measured is not modelled in this lab: with an
# NVIDIA GPU its own counter is read over some seconds of training, with the idle power taken off; without one this cell
# says so.

# %%
from labkit.errors import LabError
from labkit.kernels.experiments.meter import counter

try:
    measured = list(lab.energy(here, counter(), ("lenet5",), stretches=1))
    print([(row["mapping"], round(row["epoch_J"], 1), row["origin"]) for row in measured])
except LabError as error:
    print(error)

# %% [markdown]
# ## Memory, and what "smaller footprint" means
#
# All mappings work on the same arrays: none of them needs more memory than another at the same batch. What the paper
# means is that hybrid is at full speed with batch 8, and data with batch 64. What does that save?

# %%
kept = {row["batch"]: row["total_bytes"] / 1e6 for row in lab.footprint(("resnet18_32",))}
print(f"ResNet-18, 32×32 (computed): {kept[8]:,.0f} MB at batch 8, {kept[64]:,.0f} MB at batch 64")

# %% [markdown]
# ## The closing conjecture
#
# "With an image size of 224x224, the amount of reuse ... will significantly increase. Thereby, hybrid approach will see
# even more performance benefits" (section VIII). Take the layer in which hybrid did worst, `conv3` with its 3×3 maps,
# and let the maps grow. By what factor is hybrid faster than data at 56×56? (Below 1: slower. At 3×3 it is 0.09.)

# %%
question = "conv3 on maps of 56×56, K40: time of data over time of hybrid?"
predict("conjecture", question=question, unit="times")

# %%
rows = list(lab.image_size(k40, layer="conv3", sizes=(3, 7, 14, 28, 56), batch=60))
seconds = {(row["H"], row["mapping"]): row["seconds"] for row in rows}
lead = seconds[56, "data"] / seconds[56, "hybrid"]
reveal("conjecture", modelled=lead, unit="times")

# %%
kernel_plots.image_size_plot(rows)

# %% [markdown]
# Half of the conjecture holds: from 3×3 to 56×56 hybrid catches up by a factor of ten. It does not take the lead, and
# then there is nothing more to gain. Once a filter is used some hundred times, copying it costs nothing; the products remain, and they are the
# same in every mapping. What stands in their way is the next notebook: nearly fifty instructions for each of them.
#
# ## An open task
#
# You have an H200 (132 SMs) and may choose the batch of ResNet-18 (`resnet18_32`). Find the smallest batch at which
# hybrid is within 10 % of its best time per epoch, and the same for data, with `lab.batch_sweep(lab.source("h200"),
# ...)`. Compute the memory of both with `lab.footprint`. Then write the sentence that you would put into a paper, with
# its origin in it.
#
# ## Takeaways
#
# - Time is flat until all places are taken, then it climbs by waves: the batch decides in data, the channels in model,
#   both in hybrid.
# - Occupancy is decided by what runs out first; a full SM is worth little if its threads have nothing to do.
# - A filter in shared memory pays where it is used often: large maps gain, 3×3 maps lose.
# - One mapping for all layers is a compromise; with one for each layer a small batch is nearly as fast as a large one.
# - Fewer loads are not less time unless loads were the bottleneck.
#
# ## Self-quiz
#
# Choose an answer, then open it.

# %%
quiz("04")

# %%
ledger()

# %% [markdown]
# ## Claims
#
# Times of this lab below are modelled for the paper's own GPUs unless they say otherwise; where a recording of a GPU is
# at hand it is shown above, with its name.
#
# | claim | where | found here |
# |---|---|---|
# | data: FP is constant up to batch 16, 32, 64 on 15, 28, 56 SMs | krishna-gupta-nayak, figure 18 | up to 15, 28, 56 with one block per SM; twice that with labkit's own blocks |
# | model: the same over output channels | figure 19 | yes, in steps of a wave |
# | data overtakes model on LeNet-5 below batch 16 | figure 12 | yes, at 8 |
# | data overtakes model on AlexNet* between 32 and 64 | figure 11 | no: it comes within a third there and within a tenth at 128, since labkit's model mapping gets faster with the batch |
# | hybrid is saturated at batch 8 | figure 11 | yes on AlexNet*; on LeNet-5 it gains another quarter up to 128 |
# | hybrid always performs best | sections VII and VIII | at batches up to 8; not at large ones, because of the 3×3 maps of AlexNet* and the 1×1 map of LeNet-5 |
# | the first layer gains 25 % from model, the last ones lose | figure 15 | `conv1` takes 17 % less time, `conv2` 31 %; in hybrid the last three lose |
# | dense layers are much better in data than in model | section VII.C | at batch 8 yes, at 64 no; hybrid is better than data at both |
# | loads: L1 −30 %, L2 −14 %, device memory −95 % | figure 14 | −50 % of what threads ask for, −16 % of what warps fetch; device memory only counters tell |
# | energy of hybrid is the lowest | table III | its rows say 3 to 6 % less than data; not measured without a GPU |
# | larger images favour hybrid | section VIII | it catches up with data, and does not pass it: 0.99 at 56×56 |
