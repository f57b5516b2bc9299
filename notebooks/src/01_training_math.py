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
# # 01 · The mathematics of training
#
# **Time:** about 90 minutes; the machine needs less than one of them.
#
# - **20 minutes:** "A neuron, a network, a loss" and "Going downhill".
# - **50 minutes:** also "Back-propagation by hand" and "LeNet-5 learns to read", without the exercises.
# - **90 minutes:** everything, with all four exercises.
#
# **Goals.** At the end you can
#
# 1. compute the output, the loss and every gradient of a small network by hand;
# 2. say when gradient descent diverges, before it does;
# 3. find a wrong gradient without reading the code that computes it;
# 4. name the three phases of a training step, and say why training costs three times as much as inference, nearly.
#
# **Back:** [00 · Start here](00_start_here.ipynb) · **Next:**
# [02 · The anatomy of networks](02_anatomy_of_networks.ipynb)

# %%
import numpy as np

from labkit.course import check, exercise, hint, ledger, predict, quiz, reveal, solution
from labkit.data import load
from labkit.engine import Model
from labkit.network import phase_macs, zoo

# %% [markdown]
# ## A neuron, a network, a loss
#
# A **neuron** weighs its inputs, adds a bias and bends the result:
#
# $$ y = f(z), \qquad z = w_1 x_1 + w_2 x_2 + \dots + b $$
#
# Without the bend $f$ (here the hyperbolic tangent) any number of layers would collapse into a single one, because a
# weighted sum of weighted sums is a weighted sum.

# %%
x = np.array([0.5, -1.0])
w, b = np.array([0.8, 0.4]), 0.3
z = w @ x + b
print(f"z = {z:.3f},  y = tanh(z) = {np.tanh(z):.3f}")

# %% [markdown]
# A **layer** is many neurons that read the same inputs, so its weights are a matrix; a **network** is layers in a row.
# LeNet-5 has seven such steps and 61,706 numbers in them. Fresh from the random generator it knows nothing. Its last
# layer, softmax, turns ten numbers into ten probabilities that add up to 1:

# %%
lenet = zoo.get("lenet5")
digits = load("digits", shape=lenet.input_shape)
images, labels = digits.test.take(range(32))
model = Model(lenet, batch=32, threads=1, seed=1)
np.round(model.forward(images)[:3], 3)

# %% [markdown]
# The **loss** says how wrong a network is, as one number. With cross-entropy it is $-\ln p$, where $p$ is the probability
# that the network gave to the right answer; the loss of a batch is the mean. Certain and right costs 0, certain and wrong
# costs very much. (With the natural logarithm its unit is called *nat*.)
#
# LeNet-5 knows nothing yet and has ten answers to choose from. What will its loss be, roughly?

# %%
predict("untrained-loss", question="What is the loss of the untrained LeNet-5?", unit="nats")

# %%
untrained = model.evaluate(digits.test)
reveal("untrained-loss", measured=untrained["loss"], modelled=np.log(10), unit="nats")

# %% [markdown]
# Ten equally likely answers give each a probability of 1/10, and $-\ln(1/10) = \ln 10 = 2.303$. If a network starts far
# above that, its first weights are too large; if training never gets below it, the network learns nothing. It is the
# cheapest test there is.

# %% [markdown]
# ## Going downhill
#
# Training changes the weights so that the loss falls. The gradient points uphill, so each step goes against it:
#
# $$ w \leftarrow w - \eta \, \frac{\partial L}{\partial w} $$
#
# (krishna-gupta-nayak, equation (6), prints a plus sign; to go down it has to be a minus.) The **learning rate** $\eta$
# is the one number that everybody gets wrong first. Here is a loss with two weights, seen from above: those of a single
# neuron that has to tell eights from threes, by how much ink is in the left half and how much in the middle. Step
# through it, then run it, then raise the learning rate.

# %%
from labkit.widgets import gradient_descent_stepper

gradient_descent_stepper()

# %% [markdown]
# Things to try:
#
# 1. **Batch:** all samples in every step. The path is smooth, and crosses the contours at right angles.
# 2. **Stochastic:** one sample in a step (batch size 1). Each step is cheap and points somewhere else; the path never
#    settles, because one sample's downhill is not everybody's.
# 3. **Mini-batch:** something between. This is what everyone uses, and its size is what the rest of this course divides
#    over processors.
# 4. Raise the learning rate until the path no longer comes back. Then choose another **optimiser**, a rule that makes more
#    of the gradients than one step downhill, and reset. *Momentum* adds a part of the step before, as a rolling ball does;
#    the other three give each weight a learning rate of its own.
#
# ### Why it diverges
#
# Near a minimum a smooth loss is a bowl: $L(w) \approx L(w^*) + \tfrac12 (w - w^*)^T H (w - w^*)$, with the matrix $H$ of
# second derivatives (the *Hessian*). Its eigenvectors are the directions of the bowl, its eigenvalues how steep they are.
# One step multiplies the distance from the minimum by $1 - \eta \lambda$ in the direction of each eigenvalue $\lambda$ of
# $H$. In a bowl that is 100 times steeper one way than the other, the steep way limits $\eta$ and the flat way does the
# waiting.

# %%
exercise("largest-learning-rate")

# %% nbgrader={"schema_version": 3, "grade_id": "largest-learning-rate", "solution": true, "grade": false, "locked": false, "task": false}
def largest_learning_rate(H):
    """The learning rate at which gradient descent on 1/2 w^T H w stops converging."""
    ### BEGIN SOLUTION
    return 2 / np.linalg.eigvalsh(H).max()
    ### END SOLUTION


# %% nbgrader={"schema_version": 3, "grade_id": "largest-learning-rate-check", "solution": false, "grade": true, "locked": true, "task": false, "points": 1}
check("largest-learning-rate", largest_learning_rate)

# %%
hint("largest-learning-rate")

# %% [markdown]
# ## Back-propagation by hand
#
# A network of two layers, one sample, squared error. Everything fits on a page:
#
# $$ z = W_1 x + b_1, \quad h = \tanh z, \quad y = W_2 h + b_2, \quad L = \tfrac12 \lVert y - t \rVert^2 $$
#
# Forward first (FP). Every intermediate result is kept, because the way back will need it.

# %%
x, t = np.array([0.5, -1.0]), np.array([0.2])
W1, b1 = np.array([[0.8, 0.4], [-0.3, 0.9], [0.1, -0.6]]), np.array([0.3, 0.0, -0.1])
W2, b2 = np.array([[0.5, -0.7, 0.2]]), np.array([0.1])

z = W1 @ x + b1
h = np.tanh(z)
y = W2 @ h + b2
loss = 0.5 * np.sum((y - t) ** 2)
print(f"h = {h.round(3)},  y = {y.round(3)},  L = {loss:.4f}")

# %% [markdown]
# Now backward. The chain rule, one line at a time, from the loss to the inputs. Each line is one of two kinds:
#
# - **BP**, back-propagation: the gradient with respect to a layer's *input*, which is handed on to the layer before
#   (krishna-gupta-nayak, equations (2) and (3));
# - **KU**, kernel update: the gradient with respect to a layer's *weights*, which stays here (equations (4) and (5)).

# %%
dy = y - t  # dL/dy
dW2, db2 = np.outer(dy, h), dy  # KU of layer 2
dh = W2.T @ dy  # BP of layer 2
dz = dh * (1 - h**2)  # BP of tanh: its derivative is 1 - tanh^2
dW1, db1 = np.outer(dz, x), dz  # KU of layer 1
print("dW1 =", dW1.round(4).tolist())

# %% [markdown]
# Is it right? Nudge one weight and see what the loss does. This needs no calculus and no trust:

# %%
nudged = W1.copy()
nudged[0, 0] += 1e-6
moved = 0.5 * np.sum((W2 @ np.tanh(nudged @ x + b1) + b2 - t) ** 2)
print(f"by hand: {dW1[0, 0]:.6f},  by nudging: {(moved - loss) / 1e-6:.6f}")

# %% [markdown]
# ### Your turn
#
# The same for a whole batch, with the samples in the rows of $X$. FP and the first step back are written; two lines are
# missing.

# %%
exercise("two-layer-backward")

# %% nbgrader={"schema_version": 3, "grade_id": "two-layer-backward", "solution": true, "grade": false, "locked": false, "task": false}
def backward(X, T, W1, b1, W2, b2):
    """Gradients (dW1, db1, dW2, db2) of the mean of 1/2 |y - t|^2; samples are rows."""
    h = np.tanh(X @ W1.T + b1)
    y = h @ W2.T + b2
    dy = (y - T) / len(X)
    dW2, db2 = dy.T @ h, dy.sum(axis=0)
    # The rest of the way back is yours: BP through layer 2 and tanh, then KU of layer 1.
    ### BEGIN SOLUTION
    dz = (dy @ W2) * (1 - h**2)
    dW1, db1 = dz.T @ X, dz.sum(axis=0)
    ### END SOLUTION
    return dW1, db1, dW2, db2


# %% nbgrader={"schema_version": 3, "grade_id": "two-layer-backward-check", "solution": false, "grade": true, "locked": true, "task": false, "points": 1}
check("two-layer-backward", backward)

# %%
hint("two-layer-backward")

# %% [markdown]
# ## Convolutions
#
# In an image the same feature may be anywhere. So one small **filter** slides over it, and each of its weights is used at
# every position. Move the window with the arrow keys; then switch to *backward* and see where a gradient flows: every
# input value collects from all the outputs that read it, and every weight collects from all positions.

# %%
from labkit.widgets import convolution_walk

convolution_walk()

# %% [markdown]
# In symbols, for $C$ input channels, $K$ filters of $R \times S$, stride $s$ and output maps of $P \times Q$:
#
# $$ O_{k,p,q} = f\Big( b_k + \sum_{c,r,s'} X_{c,\; p s + r,\; q s + s'} \; F_{k,c,r,s'} \Big) $$
#
# which is equation (1) of krishna-gupta-nayak with its indices written out. The course's reference implementation,
# `labkit/engine/reference/conv.py`, is written to be read beside this formula.

# %%
exercise("conv-output-size")

# %% nbgrader={"schema_version": 3, "grade_id": "conv-output-size", "solution": true, "grade": false, "locked": false, "task": false}
def output_size(H, W, R, S, stride, padding):
    """Height and width (P, Q) of the output of a convolution."""
    ### BEGIN SOLUTION
    return (H + 2 * padding - R) // stride + 1, (W + 2 * padding - S) // stride + 1
    ### END SOLUTION


# %% nbgrader={"schema_version": 3, "grade_id": "conv-output-size-check", "solution": false, "grade": true, "locked": true, "task": false, "points": 1}
check("conv-output-size", output_size)

# %%
hint("conv-output-size")

# %% [markdown]
# ## The bug that learns
#
# A wrong gradient rarely crashes. The network learns a little worse, and nobody notices. The remedy is the nudge from
# above, applied to every entry of every array: a **gradient check**. Nudge both ways, up and down, and divide by the
# whole distance (a *central difference*); its error shrinks with the square of the nudge, not with the nudge.
#
# Several people have written the backward pass of a convolution. Some of them made mistakes that show in few entries, or
# with a stride above 1, or in the bias only. Write the check that finds them.

# %%
exercise("gradient-check")

# %% nbgrader={"schema_version": 3, "grade_id": "gradient-check", "solution": true, "grade": false, "locked": false, "task": false}
def wrong_gradients(loss, candidates, x, w, b):
    """The set of names of candidates whose gradients disagree with central differences."""
    ### BEGIN SOLUTION
    step, estimates = 1e-5, []
    for array in (x, w, b):
        estimate = np.zeros_like(array)
        for index in np.ndindex(array.shape):
            kept = array[index]
            array[index] = kept + step
            above = loss(x, w, b)
            array[index] = kept - step
            below = loss(x, w, b)
            array[index] = kept
            estimate[index] = (above - below) / (2 * step)
        estimates.append(estimate)
    wrong = set()
    for name, backward_pass in candidates.items():
        for gradient, estimate in zip(backward_pass(x, w, b), estimates, strict=True):
            if not np.max(np.abs(gradient - estimate)) <= 1e-4 * np.max(np.abs(estimate)):
                wrong.add(name)
    return wrong
    ### END SOLUTION


# %% nbgrader={"schema_version": 3, "grade_id": "gradient-check-check", "solution": false, "grade": true, "locked": true, "task": false, "points": 1}
check("gradient-check", wrong_gradients)

# %%
hint("gradient-check")

# %% [markdown]
# ## LeNet-5 learns to read
#
# Now for real: 61,706 weights, 1,438 digits to learn from and 359 that it never sees in training. After five epochs (five
# passes over the digits to learn from), how many per cent of the unseen ones will it read correctly?

# %%
predict("lenet-accuracy", question="LeNet-5, five epochs: accuracy on unseen digits?", unit="%")

# %%
from labkit.engine import BackgroundRun, Momentum, Training, train
from labkit.widgets import training_view

training = Training(epochs=5, batch=32, optimizer=Momentum(lr=0.02))
learner = Model(lenet, batch=32, threads=1, seed=1)
run = BackgroundRun(train(learner, digits, training), paused=True)
training_view(run)

# %% [markdown]
# The cell has returned, and the training waits for you. Take a few single **Steps**, then press **Play**: all of it takes
# about a second, in the background. When it is over, **Play** repeats it at the speed you choose. Look at
#
# - the **loss**: it starts near 2.3, as you computed;
# - the **phases**: which of FP, BP and KU takes the longest?
# - the **gradient norms**: which layer's are the largest in the first steps, and which later?
#
# The next cell lets the run go on to its end, in case it has not, and waits for it. (If you pressed **Stop**, run the cell of
# the training once more: a run that was stopped stays stopped.)

# %%
run.resume()
run.wait(timeout_s=100)
accuracy = learner.evaluate(digits.test)["accuracy"]
reveal("lenet-accuracy", measured=100 * accuracy, unit="%")

# %% [markdown]
# ### When it goes wrong
#
# LeNet-5 forgives much, because a hyperbolic tangent never exceeds 1. A network of 17 convolutions that bends with ReLU
# ($f(z) = z$ above zero, 0 below) does not: whatever is too large in one layer is larger in the next. Here it is with a
# learning rate of 1. Failures are lessons, and this one is safe: the trainer stops by itself and says where.

# %%
deep = zoo.get("resnet18_star")
reckless = Training(epochs=1, batch=16, optimizer=Momentum(lr=1.0))
small = load("digits", shape=deep.input_shape)
failed = BackgroundRun(train(Model(deep, batch=16, threads=1), small, reckless))
failed.wait(timeout_s=60)
print(failed.state, "·", failed.error)

# %% [markdown]
# Which step was it, and which layer? The losses before tell how quickly it went:

# %%
[round(event.loss, 2) for event in failed.events]

# %% [markdown]
# ## Three phases, three times the work
#
# | phase | computes | needs |
# |---|---|---|
# | **FP** forward propagation | outputs and loss | inputs, weights |
# | **BP** back-propagation | gradients with respect to the *inputs* of each layer | gradients of its outputs, weights |
# | **KU** kernel update | gradients with respect to the *weights*, and the update | gradients of its outputs, its inputs |
#
# In every layer each weight meets each value it is used with once per phase: once to make the output, once to pass the
# gradient back, once to collect its own. So each phase costs one forward pass, and training costs three
# (krishna-gupta-nayak, section II). BP is a little cheaper: the first layer need not pass anything back, since nobody
# wants gradients of the images.
#
# How does that look on a clock? LeNet-5 is too small to tell; take AlexNet*, that paper's smaller AlexNet for images of
# 28×28 (28.6 million parameters). By what factor does a training step take longer than a forward pass?

# %%
predict(
    "three-times",
    question="AlexNet*, batch 16: how many forward passes does a training step take?",
    unit="times",
)

# %%
from labkit.engine.measure import forward_seconds, step_seconds

star = zoo.get("alexnet_star")
big = Model(star, batch=16, threads=1)
samples, targets = load("digits", shape=star.input_shape).train.take(range(16))
seconds = step_seconds(big, samples, targets, repeats=5)
ratio = seconds["step"] / forward_seconds(big, samples, repeats=5)
work = sum(phase_macs(star).values()) / star.macs
paper = "krishna-gupta-nayak, section II"
reveal("three-times", measured=ratio, modelled=work, claimed=3, unit="times", source=paper)

# %% [markdown]
# And phase by phase:

# %%
from labkit.widgets.tables import Table

batch = 16
samples, targets = load("digits", shape=star.input_shape).train.take(range(batch))
seconds = step_seconds(Model(star, batch=batch, threads=1), samples, targets, repeats=5)
work = phase_macs(star)
rows = [(p, work[p] * batch, seconds[p] * 1e3, seconds[p] / seconds["fp"]) for p in work]
head = ("phase", "MAC (modelled)", "ms (measured here)", "times FP")
Table(f"AlexNet*, batch {batch}, one core", head, tuple(rows))

# %% [markdown]
# The rule counts multiplications, and by that count it holds but for the first layer. The clock knows more. FP also
# pools, bends and draws random numbers for *dropout* (in training, some outputs are set to 0 at random). And each phase
# goes through the 28.6 million weights, or their gradients, once in every step, however many samples there are. Set
# `batch` in the cell above to 1, then to 64: the multiplications become 64 times as many. What does the time?
#
# ## An open task
#
# One pass over the digits, no more. With the settings below LeNet-5 does not get far in it. Find settings with which it
# reads **96.5 %** of the unseen digits after a single epoch; the optimiser (`SGD`, `Momentum`, `Adagrad`, `Adadelta`,
# `Adam`), the learning rate and the batch size are yours, and there is more than one way. Then look at the number of
# steps: when several processors train together, each step is one exchange between them, so fewer is better.

# %%
from labkit.engine import SGD, Adadelta, Adagrad, Adam

mine = Training(epochs=1, batch=32, optimizer=SGD(lr=0.005))
fresh = Model(lenet, batch=mine.batch, threads=1, seed=1)
attempt = BackgroundRun(train(fresh, digits, mine))
attempt.wait(timeout_s=60)
print(f"{attempt.events[-1].test_accuracy:.1%} read after {len(attempt.events)} steps")

# %% [markdown]
# ## Takeaways
#
# - A loss of $\ln$(number of classes) means that the network knows nothing.
# - Gradient descent converges as long as the learning rate is below $2/\lambda_{max}$; the flattest direction then decides
#   how long it takes.
# - Back-propagation is the chain rule with intermediate results kept: BP hands gradients on, KU uses them.
# - A gradient check trusts nothing but the forward pass; run it with ragged, random inputs.
# - FP, BP and KU cost about one forward pass each in multiplications; on the clock it depends on the batch.
#
# ## Self-quiz
#
# Choose an answer, then open it.

# %%
quiz("01")

# %%
ledger()

# %% [markdown]
# ## Claims
#
# | claim | where | found here |
# |---|---|---|
# | training has about three times the computations of inference | krishna-gupta-nayak, section II | in multiplications: 3 without, slightly less with the saving in the first layer; in time: measured above |
# | the weight update adds $\eta \, dL/dF$ | krishna-gupta-nayak, equation (6) | a slip of the sign: adding climbs; subtract |
# | LeNet-5 has 60,840 parameters | krishna-gupta-nayak, table I | that is `lenet5_1998`, whose second convolution reads only some of the maps; `lenet5` reads all and has 61,706 |
