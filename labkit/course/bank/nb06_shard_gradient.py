"""Notebook 06: from the gradients of shards of different sizes to the gradient of the whole batch."""

import numpy as np

from labkit.course.exercise import Case, Exercise, WrongSolution


def shard_gradient(gradients, samples):
    """Each shard's mean counts as often as it has samples; a shard without samples has nothing to say."""
    total = sum(samples)
    result = np.zeros_like(gradients[0])
    for gradient, n in zip(gradients, samples, strict=True):
        if n:
            result += n / total * gradient
    return result


def cases(rng: np.random.Generator) -> list[Case]:
    """33 over 2; shards of very different sizes; fewer samples than ranks; gradients of one and of three axes."""
    known = [
        ((17, 16), (5,)),
        ((9, 8, 8, 8), (3, 2)),
        ((1, 7, 4), (4, 3)),
        ((3, 1, 0, 0), (6,)),
        ((0, 5, 2), (2, 3, 2)),
    ]
    for ranks in (2, 3, 6):
        known.append((tuple(int(n) for n in rng.integers(1, 12, ranks)), (int(rng.integers(3, 8)), 2)))
    return [_case(rng, samples, shape) for samples, shape in known]


def _case(rng: np.random.Generator, samples: tuple[int, ...], shape: tuple[int, ...]) -> Case:
    gradients = [rng.normal(size=shape) if n else np.full(shape, np.nan) for n in samples]
    return Case((gradients, list(samples)), f"shards of {list(samples)} samples")


def _known(gradients):
    """What shards without samples would be if they were zeros."""
    return [np.nan_to_num(gradient) for gradient in gradients]


def _mean(gradients, samples):
    return sum(gradients) / len(gradients)


def _mean_with_zeros(gradients, samples):
    return _mean(_known(gradients), samples)


def _empty_shards_counted(gradients, samples):
    return sum(n / sum(samples) * gradient for n, gradient in zip(samples, gradients, strict=True))


def _sum(gradients, samples):
    return sum(gradients)


def _mean_of_those_with_samples(gradients, samples):
    return sum(_known(gradients)) / sum(1 for n in samples if n)


def _weighted_sum(gradients, samples):
    return sum(n * gradient for n, gradient in zip(samples, gradients, strict=True) if n)


def _divided_by_the_ranks(gradients, samples):
    return _weighted_sum(gradients, samples) / len(samples)


def _divided_twice(gradients, samples):
    return shard_gradient(gradients, samples) / len(samples)


def _equal_shares(gradients, samples):
    return sum(_known(gradients)) * (sum(samples) // len(samples)) / sum(samples)


def _inverse(gradients, samples):
    shares = [1 / n if n else 0.0 for n in samples]
    return sum(s / sum(shares) * g for s, g in zip(shares, _known(gradients), strict=True))


def _sums_taken_for_means(gradients, samples):
    return sum(gradients) / sum(samples)


EXERCISE = Exercise(
    id="shard-gradient",
    title="The gradient of a batch from those of its shards",
    prompt=(
        "Write `shard_gradient(gradients, samples)`: `gradients[r]` is the gradient of the mean loss of rank r's "
        "samples, an array; all have one shape. `samples[r]` is how many samples rank r has. Return the gradient of "
        "the mean loss of all samples together.\n"
        "A rank may have no samples at all. Its gradient is then a mean over nothing, NaN, and must not count."
    ),
    reference=shard_gradient,
    cases=cases,
    wrong=(
        WrongSolution(
            "mean of the means",
            _mean,
            "You take the plain mean of the ranks' gradients. That is right only for shards of equal size: with 17 and "
            "16 samples each sample of the second shard would count more than one of the first.",
            "Weigh each gradient with its rank's share of the samples.",
        ),
        WrongSolution(
            "mean of the means, zeros for nothing",
            _mean_with_zeros,
            "You take the plain mean of the ranks' gradients, with zeros for a rank without samples. With 17 and 16 "
            "samples each sample of the second shard would count more than one of the first.",
            "Weigh each gradient with its rank's share of the samples.",
        ),
        WrongSolution(
            "shards without samples counted",
            _empty_shards_counted,
            "Your weights are right, and a rank without samples gets the weight 0. But its gradient is NaN, and "
            "0 * NaN is NaN.",
            "Leave out ranks without samples before anything is multiplied: `if n`.",
        ),
        WrongSolution(
            "divided by the ranks, not by the batch",
            _divided_by_the_ranks,
            "You weigh with the numbers of samples and divide by the number of ranks. The weights have to sum to 1.",
            "Divide by the samples of all ranks: sum(samples).",
        ),
        WrongSolution(
            "mean over the ranks that have samples",
            _mean_of_those_with_samples,
            "You leave out ranks without samples, which is right, and then take a plain mean of the others. They may "
            "have different numbers of samples, too.",
            "Weigh each gradient with its rank's share of the samples.",
        ),
        WrongSolution(
            "plain sum",
            _sum,
            "You add the gradients up as they are. Each is a mean already; the sum of p means is about p times too "
            "long, and so is the step.",
            "Weigh each gradient before you add it: the weights have to sum to 1.",
        ),
        WrongSolution(
            "not divided by the batch",
            _weighted_sum,
            "You weigh with the numbers of samples, and stop: that is the gradient of the *sum* of all losses.",
            "Divide by the samples of all ranks.",
        ),
        WrongSolution(
            "divided by the ranks as well",
            _divided_twice,
            "You divide by the number of ranks once more. The shares of the samples sum to 1 already: a step would be "
            "p times too short.",
            "Leave the second division out.",
        ),
        WrongSolution(
            "equal shares assumed",
            _equal_shares,
            "You take it that every rank has batch // p samples. 33 over 2 are 17 and 16.",
            "samples[r] says how many there are.",
        ),
        WrongSolution(
            "more samples, less weight",
            _inverse,
            "Your weights fall with the number of samples. A gradient that more samples have made is to count more.",
            "The weight of rank r is samples[r] / sum(samples).",
        ),
        WrongSolution(
            "means taken for sums",
            _sums_taken_for_means,
            "You divide the plain sum by the number of samples, as if each gradient were a sum over its samples. They "
            "are means.",
            "samples[r] * gradients[r] is the sum over rank r's samples.",
        ),
    ),
    hints=(
        "The mean loss of the batch is (sum of all losses) / (number of all samples). Which part of that sum is rank "
        "r's?",
        "samples[r] times its mean loss. So its gradient counts samples[r] / sum(samples).",
        "0 * NaN is NaN: a rank without samples has to be left out before anything is multiplied.",
    ),
    next_step="By hand: gradients 1.0 and 4.0 of 2 samples and 1 sample. The sums are 2 and 4, so the answer is 6 / 3 "
    "= 2.",
)
