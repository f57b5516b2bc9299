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
# # 02 · The anatomy of networks
#
# **Time:** about 60 minutes.
#
# - **20 minutes:** "Two numbers per layer" and "Where the weights are and where the work is".
# - **50 minutes:** also the exercises on grouped convolutions and on memory, and the puzzle of the 93 MB.
# - **90 minutes:** everything, with the break-even batch of every layer and the open task at the end.
#
# **Goals.** At the end you can
#
# 1. compute the weights, the activations and the work of a layer from its sizes;
# 2. say why training needs so much more memory than inference, and predict how much;
# 3. check a printed number by adding up its own rows;
# 4. tell for each layer whether its weights or its activations are larger, and at which batch size that turns over.
#
# **Back:** [01 · The mathematics of training](01_training_math.ipynb) · **Next:**
# [03 · Blocks and mappings](03_blocks_and_mappings.ipynb)

# %%
from labkit.course import check, exercise, hint, ledger, predict, quiz, reveal, solution
from labkit.network import activation_bytes, inference_bytes, table, training_bytes, zoo
from labkit.widgets import network_anatomy
from labkit.widgets.tables import Table, network_table

# %% [markdown]
# ## Two numbers per layer
#
# Take the first convolution of LeNet-5: 6 filters of 5×5 over one channel, on a 32×32 image, giving 6 maps of 28×28.
#
# | quantity | formula | here |
# |---|---|---|
# | parameters | $K \cdot (C R S + 1)$ | 6 · (25 + 1) = 156 |
# | multiply-accumulates for one sample | $K \cdot C R S \cdot P Q$ | 6 · 25 · 784 = 117,600 |
# | activation values for one sample | $K \cdot P Q$ | 6 · 784 = 4,704 |
#
# ($C$ channels in, $K$ filters of $R \times S$, output maps of $P \times Q$.) Each parameter is used 784 times for every
# sample, once per output position. In a dense layer each is used exactly once: there $P = Q = 1$. Keep that number in
# mind; it explains most of what follows.
#
# ## Where the weights are and where the work is
#
# LeNet-5 has five layers with weights: `conv1`, `conv2`, `conv3`, `fc1`, `fc2`. Two guesses, before you see the table.

# %%
layers = ("conv1", "conv2", "conv3", "fc1", "fc2")
predict("lenet-weights", question="LeNet-5: which layer has most parameters?", choices=layers)

# %%
predict("lenet-work", question="LeNet-5: which layer does most work (MAC)?", choices=layers)

# %%
lenet = zoo.get("lenet5")
rows = table(lenet)
reveal("lenet-weights", modelled=max(rows, key=lambda row: row.parameters).name)

# %%
reveal("lenet-work", modelled=max(rows, key=lambda row: row.macs).name)

# %%
network_table(lenet)

# %% [markdown]
# (*ratio* is weight bytes over activation bytes; it comes back at the end.) The layer with 78 % of the parameters does
# 12 % of the work, and the first two convolutions have 4 % of the parameters and do 86 % of the work. That is no
# accident of LeNet-5. Here is every network of the lab, split in the same way:

# %%
names = ("lenet5", "alexnet_star", "alexnet", "vgg16", "googlenet", "resnet18", "resnet18_32")
rows = []
for name in names:
    network = zoo.get(name)
    dense = [row for row in table(network) if row.kind == "dense"]
    weights = 100 * sum(row.parameters for row in dense) / network.parameters
    work = 100 * sum(row.macs for row in dense) / network.macs
    rows.append((name, network.parameters, network.macs, weights, work))
head = ("network", "parameters", "MAC per sample", "% of parameters", "% of MAC")
Table("What part of it is in dense layers (computed)", head, tuple(rows))

# %% [markdown]
# AlexNet and VGG16 keep most of their weights where nearly no work is done. GoogLeNet and ResNet-18 have got rid of the
# large dense layers and so of the weights, not of the work. GoogLeNet even does 1.4 times the work of AlexNet for an
# image, and yet there is nine times as much to exchange when several processors train AlexNet together.
#
# Look at it layer by layer. The bars are logarithmic: one tick is a factor of ten.

# %%
network_anatomy(zoo.get("alexnet"), batch=32)

# %% [markdown]
# Set the batch to 1 and then to 256. Weights stay, activations grow, and the layers that are marked ▶, those with more
# bytes of weights than of activations, become fewer. Which three are still marked at 256?
#
# ### Your turn: a grouped convolution
#
# AlexNet's original second convolution was split over two GPUs: half of the filters saw only half of the channels. In
# general, with $g$ groups each filter reads $C/g$ channels.

# %%
exercise("grouped-conv-cost")

# %% nbgrader={"schema_version": 3, "grade_id": "grouped-conv-cost", "solution": true, "grade": false, "locked": false, "task": false}
def grouped_conv(C, H, W, K, R, S, groups, stride, padding):
    """Parameters (with biases) and multiply-accumulates of one sample."""
    ### BEGIN SOLUTION
    P = (H + 2 * padding - R) // stride + 1
    Q = (W + 2 * padding - S) // stride + 1
    per_filter = C // groups * R * S
    return K * (per_filter + 1), K * per_filter * P * Q
    ### END SOLUTION


# %% nbgrader={"schema_version": 3, "grade_id": "grouped-conv-cost-check", "solution": false, "grade": true, "locked": true, "task": false, "points": 1}
check("grouped-conv-cost", grouped_conv)

# %%
hint("grouped-conv-cost")

# %% [markdown]
# ## The puzzle of the 93 MB
#
# A thesis that this course uses much (eserol-2019, table 5.13) lists VGG16 layer by layer and prints below the line
# that one image needs **93 MB** of activations. The same number stands in lecture notes all over the world. Its rows are
# the outputs of all convolutions and pools, the three dense layers and the input image, 4 bytes a value.
#
# Which total do those rows give?

# %%
predict("vgg-memory", question="VGG16: memory of the activations of one image?", unit="MB")

# %%
vgg = zoo.get("vgg16")
computed = activation_bytes(vgg) / 1e6
thesis = "eserol-2019, table 5.13"
reveal("vgg-memory", modelled=computed, claimed=93, unit="MB", source=thesis)

# %% [markdown]
# The rows of the table add up to 15.2 million values, which is 61 MB. So where does 93 come from? Try what people
# usually do differently, and see whether anything gives 93:

# %%
values = computed * 1e6 / 4
bent = [row for row in table(vgg) if row.kind in ("conv", "dense")][:-1]
relu = sum(row.activation_bytes for row in bent) / 4
tries = {
    "the rows of the table, in MB (10^6 bytes)": values * 4 / 1e6,
    "the same in MiB (2^20 bytes)": values * 4 / 2**20,
    "ReLU outputs kept as well, in MB": (values + relu) * 4 / 1e6,
    "gradients of the activations as well, in MB": 2 * values * 4 / 1e6,
    "24 million values, in MB": 24e6 * 4 / 1e6,
    "24 million values, in MiB": 24e6 * 4 / 2**20,
}
Table("VGG16: activations of one image (computed)", ("way", "total"), tuple(tries.items()))

# %% [markdown]
# No way of counting the network gives it. Only the last lines come near: 24 million values, which is what the lecture
# notes from which the number was copied print as their sum. Their rows, too, add up to 15.2 million. Nobody along the
# way added them up again.
#
# Two habits follow, and they cost nothing:
#
# - a total is worth as much as its rows: **add them up**;
# - say MB or MiB, and count 4 bytes for each float32 value: the same thesis multiplies the 93 MB by a batch of 128 and
#   divides by 1,024 to get 11.6 "GB"; with 61 MB and units that are meant it is 7.8 GB.
#
# ## Memory of training against memory of inference
#
# In inference a layer's input can be forgotten as soon as its output is there: two neighbours at a time are enough. In
# training, BP comes back later and needs the activations of **every** layer. On top of that there is one gradient for
# each weight, and whatever the optimiser remembers (one more value per weight for momentum, two for Adam).

# %%
exercise("training-memory")

# %% nbgrader={"schema_version": 3, "grade_id": "training-memory", "solution": true, "grade": false, "locked": false, "task": false}
def memory(rows, batch, slots):
    """Bytes for (training, inference); a row is (name, inputs, outputs, parameters)."""
    ### BEGIN SOLUTION
    parameters = sum(row[3] for row in rows)
    pair = max(inputs + outputs for _, inputs, outputs, _ in rows)
    kept = rows[0][1] + sum(row[2] for row in rows)
    inference = parameters + batch * pair
    training = (2 + slots) * parameters + batch * (kept + pair)
    return 4 * training, 4 * inference
    ### END SOLUTION


# %% nbgrader={"schema_version": 3, "grade_id": "training-memory-check", "solution": false, "grade": true, "locked": true, "task": false, "points": 1}
check("training-memory", memory)

# %%
hint("training-memory")

# %% [markdown]
# Now the same for real. How much more memory does a process need to *train* AlexNet* (28.6 million parameters, 28×28
# images) on a batch of 32, than to run it forward only?

# %%
predict(
    "train-over-infer",
    question="AlexNet*, batch 32: training needs how many times the memory of inference?",
    unit="times",
)

# %%
from labkit.engine.footprint import footprint

training = footprint("alexnet_star", batch=32, phase="training")
inference = footprint("alexnet_star", batch=32, phase="inference")
star = zoo.get("alexnet_star")
model_bytes = {
    "training": sum(training_bytes(star, 32).values()),
    "inference": sum(inference_bytes(star, 32).values()),
}
modelled = model_bytes["training"] / model_bytes["inference"]
ratio = training.grown_bytes / inference.grown_bytes
reveal("train-over-infer", measured=ratio, modelled=modelled, unit="times")

# %% [markdown]
# Both processes ran a moment ago, and what was measured is by how much each of them grew. In megabytes:

# %%
pair = (training, inference)
rows = [(run.phase, run.grown_bytes / 1e6, model_bytes[run.phase] / 1e6) for run in pair]
Table("AlexNet*, batch 32: memory in MB", ("phase", "measured here", "modelled"), tuple(rows))

# %% [markdown]
# The measured numbers lie above the modelled ones, because real layers need room to work: a fast convolution first copies
# its input into another order, and a process needs some memory for itself. The model knows weights, gradients and
# activations only.
#
# ## Weights against activations: what decides how to divide
#
# Later notebooks divide training over several processors, in two pure ways and many mixtures:
#
# - **data parallelism** gives every processor all weights and a part of the batch; after each step they exchange the
#   gradients of the **weights**;
# - **model parallelism** gives every processor a part of the weights and all of the batch; within each step they exchange
#   **activations**.
#
# So for each layer the question is which of its two sizes is smaller. One grows with the batch, the other does not, and
# where they are equal is the **break-even batch** of the layer.

# %%
exercise("break-even-batch")

# %% nbgrader={"schema_version": 3, "grade_id": "break-even-batch", "solution": true, "grade": false, "locked": false, "task": false}
def break_even(parameters, activations):
    """Smallest batch at which activations take at least as many bytes as the weights."""
    ### BEGIN SOLUTION
    return max(1, -(-parameters // activations))
    ### END SOLUTION


# %% nbgrader={"schema_version": 3, "grade_id": "break-even-batch-check", "solution": false, "grade": true, "locked": true, "task": false, "points": 1}
check("break-even-batch", break_even)

# %%
hint("break-even-batch")

# %% [markdown]
# Guess one of them before you look at all: `fc6` of AlexNet maps 9,216 values to 4,096.

# %%
predict("fc6-break-even", question="Break-even batch of fc6 in AlexNet?", unit="samples")

# %%
alexnet = zoo.get("alexnet")
row = next(row for row in table(alexnet) if row.name == "fc6")
reveal("fc6-break-even", modelled=row.weight_bytes / row.activation_bytes, unit="samples")

# %%
rows = [
    (row.name, row.weight_bytes / 1e6, row.activation_bytes / 1e6, row.ratio)
    for row in table(alexnet)
    if row.parameters
]
head = ("layer", "weights, MB", "activations of one sample, MB", "break-even batch")
Table("AlexNet: from here on activations outweigh weights (computed)", head, tuple(rows))

# %% [markdown]
# The five convolutions turn over at batches of at most 21, the dense layers at 4,097 and 9,217, which hardly anybody
# uses. One network, two kinds of layers, two opposite answers: data parallelism for the convolutions and model
# parallelism for the dense layers is an idea that has a name, *One Weird Trick*, and the course will come back to it.
#
# ## An open task
#
# A network of your own is a JSON document. This one is small; change it so that **no** layer holds more weights than
# activations at batch 32 (no *ratio* above 1), while it keeps at least 20,000 parameters and still ends in ten outputs.
# There is more than one way. Other kinds of layers are `maxpool` and `avgpool` (with `R` and `stride`), `relu` and
# `tanh`; what does not fit is told when the cell runs.

# %%
from labkit.network import from_document

mine = from_document(
    {
        "name": "mine",
        "input_shape": [1, 28, 28],
        "layers": [
            {"name": "conv1", "kind": "conv", "K": 16, "R": 3, "padding": 1},
            {"name": "flatten", "kind": "flatten"},
            {"name": "fc", "kind": "dense", "K": 10},
        ],
    }
)

# %%
network_table(mine, batch=32)

# %% [markdown]
# ## Takeaways
#
# - A convolution uses each of its weights once per output position, a dense layer exactly once: convolutions are where the
#   work is, dense layers are where the weights are.
# - Training keeps the activations of every layer for BP; inference needs two neighbours at a time.
# - Weights do not grow with the batch, activations do: every layer has a break-even batch, and those of one network can
#   lie nearly five orders of magnitude apart.
# - Add the rows up.
#
# ## Self-quiz
#
# Choose an answer, then open it.

# %%
quiz("02")

# %%
ledger()

# %% [markdown]
# ## Claims
#
# | claim | where | found here |
# |---|---|---|
# | VGG16 has 138,357,544 parameters | eserol-2019, table 5.13 | the same, from the layer records |
# | VGG16 needs 93 MB for the activations of an image | eserol-2019, table 5.13 | its own rows give 61.0 MB |
# | AlexNet* has 28,567,498 parameters and 1.08·10⁸ "FLOPs" | krishna-gupta-nayak, table I | the same parameters; the second number is multiply-accumulates |
# | AlexNet's fully connected layers have about 55 million parameters | keuper-pfreundt-2016, table II | 58.6 million |
