"""Networks learn real images: what benchmarks/accuracy.py records, in the shortest form that still shows it."""

from labkit.data import load
from labkit.engine.model import Model
from labkit.engine.optimizers import Adam
from labkit.engine.schedules import Schedule
from labkit.engine.train import train
from labkit.engine.training import Training
from labkit.network import zoo


def accuracy(name, data, training):
    model = Model(zoo.get(name), batch=training.batch, threads=1)
    *_, last = train(model, data, training)
    return last.test_accuracy


def test_lenet5_reads_held_out_digits():
    """At least 97 % within 8 epochs: 1,438 images to learn from, 359 to be tested on."""
    data = load("digits", shape=(1, 32, 32))
    assert accuracy("lenet5", data, Training(epochs=8, batch=32, optimizer=Adam(0.002), norms_every=0)) >= 0.97


def test_lenet5_reads_real_mnist(shared_data):
    """8,000 images to learn from, 2,000 held out; the benchmark reaches 97.5 % and more in 10 epochs."""
    data = load("mnist", shape=(1, 32, 32), root=shared_data)
    assert (len(data.train), len(data.test)) == (8000, 2000)
    training = Training(epochs=3, batch=32, optimizer=Adam(0.002), schedule=Schedule("cosine"), norms_every=0)
    assert accuracy("lenet5", data, training) >= 0.97
