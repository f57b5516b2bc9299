"""Rung 0: the textbook's hybrid kernel, which takes any shape. It is `conv.forward.forward_hybrid`, unchanged."""

from collections.abc import Callable

from labkit.kernels.conv.forward import forward_hybrid
from labkit.kernels.launch import TEACHING, Launch, Work, choose
from labkit.kernels.sizes import ConvSizes


def make(sizes: ConvSizes) -> tuple[Callable, Launch]:
    """The kernel, for the arguments that its file names, and its launch; LabError for filters beyond shared memory."""
    threads = dict.fromkeys(TEACHING, sizes.P * sizes.Q)
    shared_values = {"hybrid": sizes.C * sizes.R * sizes.S}
    return forward_hybrid, choose("hybrid", Work("a convolution", sizes.N, sizes.K, threads, shared_values))
