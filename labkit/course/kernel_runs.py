"""How a kernel that a learner writes is tried: traced thread by thread on small arrays, compiled for real ones.

A case of a kernel exercise has the arguments (real, launch, *arguments of the kernel). Traced (real is False), every
access is looked at, so that a race or an index outside of an array is found even where the numbers come out right;
at real size the kernel is compiled for this machine's cores. What comes back is a tuple: what was found in memory, in
words, and then the output arrays.
"""

import ast
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from textwrap import dedent

import numpy as np

from labkit.course.compare import Told
from labkit.kernels.executors.cpu import Cpu
from labkit.kernels.trace import Finding, Trace, findings, loads, trace

CLEAN = Told("no mistake")
TRACED_S = 15.0  # of one small case; the learner's loops may be long
TIMEOUT_S = 60.0  # of one case: the first one at real size is compiled, on a busy machine
STRANGE = 8.25e9  # stands for NaN, which equals nothing, in what a kernel left behind
ADVICE = {
    "race in shared memory": "Threads of a block run in any order. What one writes the others may read only after a "
    "barrier, cuda.syncthreads(), that all of them reach.",
    "race in global memory": "Two threads write one cell, and nothing says who comes first. Each output should belong "
    "to one thread, or be added to with cuda.atomic.add.",
    "outside of an array": "An index leaves its array. On a GPU nobody complains: the kernel reads or overwrites what "
    "lies there.",
    "never written": "Shared memory is read where nobody has written. Do the threads together copy all of it, also "
    "where there are more values than threads?",
    "barrier divergence": "Some threads of a block wait at a barrier that others never reach. On a GPU that hangs, or "
    "does anything else.",
    "output not written": "Some outputs belong to nobody. Count how many values the threads of all blocks write "
    "together, also where there are more values than threads.",
}


@dataclass(frozen=True)
class Runner:
    """Runs a kernel that takes `parameters`; those called `outputs` are compared afterwards."""

    parameters: tuple[str, ...]
    outputs: tuple[str, ...]

    def __call__(self, kernel: Callable, args: tuple) -> tuple:
        """(what was found in memory, output, ...) of one case; its arrays are written to.

        Raises NotImplementedError for a stub, TypeError for other parameters, LabError for what cannot run at all.
        """
        real, launch, *given = args
        self.look(kernel)
        if real:
            Cpu(checked=True).launch(kernel, launch, *given)
            told = CLEAN
        else:
            written = [kernel.__code__.co_varnames[self.parameters.index(name)] for name in self.outputs]
            told = mistakes(trace(kernel, launch, *given, seconds=TRACED_S), written)
        named = dict(zip(self.parameters, given, strict=True))
        return told, *(np.nan_to_num(named[name], nan=STRANGE) for name in self.outputs)

    def look(self, kernel: Callable) -> None:
        """Raise what has to be raised before a kernel is run."""
        if not inspect.isfunction(kernel):
            raise TypeError(f"the argument is a {type(kernel).__name__}, not a kernel: give the function itself")
        if _is_stub(kernel):
            raise NotImplementedError("the kernel is not written yet")
        names = kernel.__code__.co_varnames[: kernel.__code__.co_argcount]
        if len(names) != len(self.parameters):
            wanted = ", ".join(self.parameters)
            raise TypeError(f"the kernel takes the arguments ({', '.join(names)}); it has to take ({wanted})")

    def traced(self, kernel: Callable, args: tuple) -> Trace:
        """The trace of one case, for what an exercise counts."""
        _, launch, *given = args
        return trace(kernel, launch, *given, seconds=TRACED_S)

    def loads_of(self, *arrays: str) -> Callable[[Callable, tuple], int]:
        """A cost for `Par`: how many values the threads read from these arrays, by name of the parameter."""

        def cost(kernel: Callable, args: tuple) -> int:
            counted = loads(self.traced(kernel, args)).arrays
            own = [one.name for one in counted if one.space == "global"]
            names = dict(zip(_array_names(self.parameters, args), own, strict=True))
            return sum(one.loads for one in counted if one.name in {names[array] for array in arrays})

        return cost


def _array_names(parameters: tuple[str, ...], args: tuple) -> list[str]:
    """The parameters that are arrays, in their order; a trace lists them so, under the learner's names."""
    return [name for name, value in zip(parameters, args[2:], strict=True) if isinstance(value, np.ndarray)]


def doubles(kernel: Callable, args: tuple) -> int:
    """A cost for `Par`: lines that a GPU would compute in double precision, at a small part of its speed."""
    _, launch, *given = args
    found = findings(trace(kernel, launch, *given, seconds=TRACED_S))
    return sum(finding.kind == "float64" for finding in found)


def mistakes(traced: Trace, outputs: list[str] | None = None) -> Told:
    """What a trace shows, as a word to compare (the kinds of mistakes) with the first of them as a sentence."""
    found = [finding for finding in findings(traced, outputs) if finding.severity == "error"]
    if not found:
        return CLEAN
    kinds = sorted({_kind(finding) for finding in found})
    more = f" (and {len(found) - 1} more of such)" if len(found) > 1 else ""
    advice = next((ADVICE[kind] for kind in ADVICE if kind == found[0].kind), "")
    return Told(", ".join(kinds), found[0].sentence + more, advice)


def _kind(finding: Finding) -> str:
    """The kind of a mistake; of a race also whether the two are in one block."""
    between = f" between {'blocks' if len(set(finding.blocks)) > 1 else 'threads'}" if "race" in finding.kind else ""
    return finding.kind + between


@cache
def _is_stub(kernel: Callable) -> bool:
    """Whether a kernel still raises NotImplementedError somewhere, or consists of `...`."""
    try:
        text = dedent(inspect.getsource(kernel))
        tree = ast.parse(text)
    except (OSError, TypeError, SyntaxError, IndentationError):
        return False
    raised = [node.exc for node in ast.walk(tree) if isinstance(node, ast.Raise) and node.exc is not None]
    if any("NotImplementedError" in ast.unparse(one) for one in raised):
        return True
    defined = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    body = defined[0].body if defined else []
    own = [node for node in body if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))]
    return bool(defined) and not own


def blank(shape: tuple[int, ...]) -> np.ndarray:
    """An array that holds no number yet, float32."""
    return np.full(shape, np.nan, np.float32)


def values(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Random float32 values of that shape, no two alike and none near 0, so that a wrong cell shows."""
    return (rng.uniform(0.5, 2.0, shape) * rng.choice((-1.0, 1.0), shape)).astype(np.float32)
