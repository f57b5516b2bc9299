"""The mathematics of one process: forward, backward and update of every layer, and the training loop over them.

    model = Model(zoo.get("lenet5"), backend="cpu", batch=32)
    for event in train(model, load("digits", shape=(1, 32, 32)), Training(epochs=5, optimizer=Momentum(lr=0.02))):
        print(event.step, event.loss)

`reference` is written to be read beside the formulas and is the oracle of every other backend; `cpu` is the fast one.
"""

from labkit.engine.background import BackgroundRun
from labkit.engine.events import TrainEvent
from labkit.engine.model import Model, Step
from labkit.engine.optimizers import SGD, Adadelta, Adagrad, Adam, Momentum
from labkit.engine.regularize import EarlyStopping
from labkit.engine.tensors import Tensors
from labkit.engine.train import train
from labkit.engine.training import Training

__all__ = [
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "BackgroundRun",
    "EarlyStopping",
    "Model",
    "Momentum",
    "Step",
    "Tensors",
    "TrainEvent",
    "Training",
    "train",
]
