"""What a rank does before its first step, so that times are those of steps and not of compilers."""

import numpy as np

from labkit.run.rank.state import RankState


def warm_up(state: RankState) -> None:
    """Load all that is loaded at its first use (compiled loops, kernels), so that the first step takes no longer than
    the others. Weights and running statistics stay as they are; gradients do not, and count for nothing yet. Nothing
    where computing is slept through.
    """
    if state.job.compute is not None:
        return
    model, optimizer = state.model, state.job.optimizer
    if any(instruction.op == "F" for instruction in state.schedule.ranks[state.rank]):
        statistics = model.state.host().flat.copy()
        sample = np.zeros((1, *model.network.input_shape), model.dtype)
        model.gradients_of(sample, np.zeros(1, np.int64), state.job.loss)
        if len(statistics):
            model.arrays.put(statistics, model.state.flat)
    weight, gradient = (model.arrays.put(np.ones(1, model.dtype)) for _ in range(2))
    optimizer.update(weight, gradient, optimizer.start(weight, model.arrays), 0, None, model.arrays)
