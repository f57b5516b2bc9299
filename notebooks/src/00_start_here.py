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
# # 00 · Start here
#
# **Time:** about 20 minutes. No GPU, no network connection and no earlier notebook is needed.
#
# - **20 minutes:** everything on this page.
# - **50 minutes:** this page, then the first half of notebook 01.
# - **90 minutes:** this page, then notebook 01 along its route of 50 minutes, with the exercises that you pass.
#
# **Goals.** At the end you can
#
# 1. say what this machine has to offer, and where each number on a page comes from;
# 2. commit to a prediction, see the result beside it, and name the factor between the two;
# 3. use a live view with the mouse or the keyboard alone;
# 4. write a function, have it checked, and read the answer.
#
# **Next:** [01 · The mathematics of training](01_training_math.ipynb)

# %% [markdown]
# ## What this lab is about
#
# Training a deep network is arithmetic on large arrays, repeated very often. When one processor takes too long, the
# arithmetic is divided over several, and then they have to talk to each other. There are many ways to divide it, and
# each of them stops paying at some point. This lab is about finding that point **before** you pay for the machines.
#
# Every notebook works in the same three beats:
#
# | beat | who | what |
# |---|---|---|
# | **predict** | you | commit to a number, with its unit, before anything runs |
# | **model** | a formula | a few lines of arithmetic from sizes and rates |
# | **measure** | this machine | the real thing runs, and its time, bytes or memory are counted |
#
# The gap between the beats is where the learning is. Being wrong costs nothing here.

# %% [markdown]
# ## Where you are
#
# Run a cell with **Shift+Enter**. The first one looks at the machine that this notebook runs on.

# %%
from labkit.machine import this_machine

machine = this_machine()
machine

# %% [markdown]
# *Usable cores* are those that this process may use; on a shared hub that can be fewer than the machine has. `gpu=None`
# is fine: everything in this part of the course runs on a processor without one.
#
# If something looks wrong, type `labkit doctor` in a terminal (in JupyterLab: **File → New → Terminal**). It checks
# versions, memory, threads and the front end, and says what to type where something is missing.

# %% [markdown]
# ## Where numbers come from
#
# A number without an origin is a rumour. In this lab each one carries its own:
#
# | origin | means |
# |---|---|
# | *measured here* | this machine, a moment ago; run the cell again and it changes a little |
# | *recorded on …* | measured earlier on a machine that is named |
# | *modelled* | computed from a formula, and only as good as its assumptions |
# | *claimed by …* | printed in a paper, with the table or section; some claims will turn out to be wrong |
#
# Units are meant literally. 1 MB is 10⁶ bytes, 1 MiB is 2²⁰ bytes; "parameters" are counted, not weighed; a
# multiply-accumulate (MAC) is one multiplication and one addition.

# %% [markdown]
# ## A first prediction
#
# LeNet-5 (1998) reads handwritten digits. Here is its size:

# %%
from labkit.network import training_macs, zoo

lenet = zoo.get("lenet5")
print(f"{lenet.parameters:,} parameters")
print(f"{lenet.macs:,} multiply-accumulates for one digit, forward")
print(f"{training_macs(lenet):,} for training on it (about three times as many: notebook 01)")

# %% [markdown]
# One **training step** takes a batch of digits, computes how wrong the network is, and changes every parameter a little.
# With 32 digits that is about 40 million multiply-accumulates. A processor core does tens of billions of them in a
# second when it multiplies large matrices.
#
# How long will one step take on this machine, on one core? Commit to a number: do not work it out to the end, guess.

# %%
from labkit.course import check, exercise, hint, ledger, predict, quiz, reveal, solution

predict(
    "first-step",
    question="How long does a training step of LeNet-5 on 32 digits take on one core here?",
    unit="ms",
)

# %% [markdown]
# Press **Commit**, or **Skip** if you would rather not say. Until the result is revealed you may change your mind; the
# last answer counts. (Both can be typed as well: `predict("first-step", NUMBER)`, `predict("first-step", skip=True)`.)
#
# Now the **model**. The simplest one that could work: the number of multiply-accumulates, divided by how many of them
# this core does per second on large matrices (measured, in the next cell).

# %%
from labkit.engine.measure import macs_per_s

rate = macs_per_s(threads=1)
modelled_s = training_macs(lenet) * 32 / rate
print(f"this core: {rate / 1e9:.1f} billion MAC per second (measured here)")
print(f"one step:  {modelled_s * 1e3:.2f} ms (modelled)")

# %% [markdown]
# And the **measurement**: the real network on real digits, the median of twenty steps.

# %%
from labkit.data import load
from labkit.engine import Model
from labkit.engine.measure import step_seconds

digits = load("digits", shape=lenet.input_shape)
x, labels = digits.train.take(range(32))
model = Model(lenet, batch=32, threads=1)
seconds = step_seconds(model, x, labels)
reveal("first-step", measured=seconds["step"] * 1e3, modelled=modelled_s * 1e3, unit="ms")

# %% [markdown]
# The model is too optimistic. It knows about multiplications and about nothing else: not about moving the images into the
# order in which they can be multiplied fast, not about the hyperbolic tangents, not about the few microseconds that every
# call costs. By what factor depends on the machine, and on what else it is doing: run the last two cells again, and see
# how far both numbers move. What a model leaves out will matter again when the work is divided.
#
# ## A first live view
#
# Each layer of a network has two sizes: the bytes of its **weights**, which do not depend on the batch, and the bytes of
# its **activations** (its output), which grow with it. Move the batch slider, with the mouse or with the arrow keys, and
# watch which bars move. Every view has a line of text and a table below it that say the same in words.

# %%
from labkit.widgets import network_anatomy

network_anatomy(lenet, batch=32)

# %% [markdown]
# (A *convolution* is a layer of small filters that slide over an image; notebook 01 shows one at work. A *dense* layer
# reads everything with everything.) At which batch sizes does the third convolution, `conv3`, hold more weights than
# activations? You will need exactly this comparison in notebook 02, because it decides how a network should be divided.
#
# ## A first check
#
# Some cells are yours to write. A check calls your function with inputs that you have not seen and answers in four
# parts: what was expected, what came, what you probably thought, and what to try next. Here is the first exercise. The
# values of networks are `float32` in this course: 32 bits each.

# %%
exercise("weight-bytes")

# %% nbgrader={"schema_version": 3, "grade_id": "weight-bytes", "solution": true, "grade": false, "locked": false, "task": false}
def weight_bytes(K, C, R, S):
    """Bytes of the float32 weights and biases of K filters of R x S over C channels."""
    ### BEGIN SOLUTION
    return 4 * (K * C * R * S + K)
    ### END SOLUTION


# %% nbgrader={"schema_version": 3, "grade_id": "weight-bytes-check", "solution": false, "grade": true, "locked": true, "task": false, "points": 1}
check("weight-bytes", weight_bytes)

# %% [markdown]
# Before you have written anything the check says *not attempted*, and nothing is counted against you. Replace
# the line with `raise` by your own, run that cell, then the check again. Write a wrong answer on purpose (leave out the
# biases, say) and read what it answers. Hints are closed until you open them, one at a time:

# %%
hint("weight-bytes")

# %% [markdown]
# `solution("weight-bytes")` shows one way to write it, after you have tried.
#
# ## Your ledger
#
# All your predictions are kept across notebooks, with what came of them. An honest ledger has misses in it.

# %%
ledger()

# %% [markdown]
# ## The map
#
# | notebook | idea | time |
# |---|---|---|
# | 00 · Start here | predict, model, measure | 20 min |
# | [01 · The mathematics of training](01_training_math.ipynb) | what a training step computes, in three phases | 90 min |
# | [02 · The anatomy of networks](02_anatomy_of_networks.ipynb) | where the weights are and where the work is | 60 min |
# | [03 · Blocks and mappings](03_blocks_and_mappings.ipynb) | one layer on one GPU: three mappings | 90 min |
# | [04 · Data, model, hybrid](04_data_model_hybrid.ipynb) | a paper's experiments with them, checked | 90 min |
# | [05 · Faster kernels](05_faster_kernels.ipynb) | from the textbook kernel to a tuned one | 75 min |
# | [06 · Data parallelism](06_data_parallelism.ipynb) | several processes train one network: what they send, and when it pays | 90 min |
# | [07 · Parameter servers](07_parameter_servers.ipynb) | faster steps, staler gradients: who waits for whom, and what that does to training | 90 min |
# | [11 · Hypergraphs](11_hypergraphs.ipynb) | one network over several processors: what is sent | 90 min |
# | [12 · The partition studio](12_partition_studio.ipynb) | every way to cut it, and the best | 90 min |
#
# ## Takeaways
#
# - A prediction counts only if it was made before the result was seen.
# - The factor between a model and the measurement is what the model does not know.
# - Weights do not grow with the batch, activations do.
#
# ## Self-quiz
#
# Five questions. Choose an answer, then open it: it says whether it is the right one, and why. (To have your answers
# kept, type them: `quiz("00", 1, "b")` answers the first question with b.)

# %%
quiz("00")

# %% [markdown]
# ## Claims
#
# | claim | where | found here |
# |---|---|---|
# | the layers of LeNet-5 | eserol-2019, table 2.1 | built from them, it has 61,706 parameters (the thesis prints no count) |
# | training costs about three times the computations of inference | krishna-gupta-nayak, section II | taken on trust here; measured in notebook 01 |
