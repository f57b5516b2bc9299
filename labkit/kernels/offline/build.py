"""A kernel compiled for a GPU that need not be here: PTX, machine code, and what the assembler says about it."""

import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from labkit.errors import LabError
from labkit.kernels.offline import insides, sass, tools
from labkit.kernels.source import cuda
from labkit.machine.origin import MODELLED

Capability = tuple[int, int]  # such as (9, 0)
OLDEST = (7, 5)  # what toolkit 13 compiles for
ARCHITECTURES = ((7, 5), (8, 0), (9, 0))  # of the gates: Turing, Ampere (A100), Hopper (H100, H200)


@dataclass(frozen=True)
class Compiled:
    """One kernel for one compute capability. Counts come from the assembler: origin `modelled`, no GPU has run it.

    registers: per thread. spill_bytes: registers that did not fit, stored to and loaded from local memory, per thread.
    stack_bytes: local memory per thread (arrays that did not become registers). shared_bytes: static shared memory per
    block; dynamic memory comes with the launch. code_bytes: length of the machine code, and loops: 0 and empty unless
    it was disassembled.
    """

    kernel: str
    cc: Capability
    registers: int
    spill_bytes: int
    stack_bytes: int
    shared_bytes: int
    code_bytes: int
    loops: tuple[sass.Loop, ...] = field(repr=False)
    ptx: str = field(repr=False)
    origin: str = MODELLED

    @property
    def architecture(self) -> str:
        """The name of the target, such as 'sm_90'."""
        return architecture(self.cc)

    @property
    def hot_loop(self) -> sass.Loop | None:
        """The loop in which the time goes, see `sass.hottest`; None where nothing is multiplied and added."""
        return sass.hottest(self.loops)

    @property
    def short_loop(self) -> sass.Loop | None:
        """What runs instead of the hot loop where that is unrolled and a filter is too narrow for it, see
        `sass.besides`; the hot loop itself where there is no such code.
        """
        hot = self.hot_loop
        return hot and (sass.besides(self.loops, hot) or hot)

    def trip(self, ffma: int) -> sass.Loop | None:
        """One trip of the loop nest that does `ffma` multiply-adds, see `sass.nest`."""
        return sass.nest(self.loops, ffma)

    @property
    def doubles(self) -> tuple[str, ...]:
        """Lines of the PTX that work in double precision; a float32 kernel has none."""
        return tuple(line.strip() for line in self.ptx.splitlines() if re.search(r"\.f64\b", line))


def architecture(cc: Capability) -> str:
    """(9, 0) -> 'sm_90', as the compilers call it."""
    return f"sm_{cc[0]}{cc[1]}"


def signature(*arguments: Any) -> tuple[Any, ...]:
    """Types with which a launch would compile a kernel for these arguments (NumPy arrays and numbers as examples).

    A Python int is an int64; a Python float is a float64, and turns what it touches into double precision.
    """
    return tuple(insides.type_of(argument) for argument in arguments)


def compile_kernel(
    kernel: Callable, types: tuple[Any, ...], cc: Capability = (9, 0), *, loops: bool = True, **options: Any
) -> Compiled:
    """Compile the plain function `kernel` for arguments of `types` (see `signature`) and a GPU of capability `cc`.

    options are those of `numba.cuda.compile_ptx`: fastmath, launch_bounds, ... loops: False leaves out the disassembly.
    Raises LabError where the tools are missing or refuse, for a `cc` before 7.5, and for a kernel that Numba cannot
    compile.
    """
    return assemble(kernel.__name__, ptx_of(kernel, types, cc, **options), cc, loops)


def ptx_of(kernel: Callable, types: tuple[Any, ...], cc: Capability, **options: Any) -> str:
    """PTX of `kernel`, as text; arguments and errors as for `compile_kernel`."""
    if tuple(cc) < OLDEST:
        raise LabError(f"nothing is compiled for compute capability {cc[0]}.{cc[1]}", "take 7.5 (Turing) or newer")
    with insides.answers(tuple(cc), tools.find().libdevice):
        try:
            return cuda.compile_ptx(kernel, types, cc=tuple(cc), **options)[0]
        except Exception as error:  # Numba's errors of typing and lowering, and those of libNVVM, share no better class
            why = _reason(error)
            raise LabError(f"{kernel.__name__} does not compile for {architecture(cc)}: {why}") from error


def assemble(name: str, ptx: str, cc: Capability, loops: bool = True) -> Compiled:
    """Machine code of the one kernel in `ptx`, made for `cc` or an older GPU; LabError where ptxas refuses it."""
    found = tools.find()
    entry = re.search(r"\.entry\s+([\w$]+)", ptx)[1]
    with tempfile.TemporaryDirectory() as folder:
        source, cubin = Path(folder) / "kernel.ptx", Path(folder) / "kernel.cubin"
        source.write_text(ptx, encoding="utf-8")
        said = tools.run([found.ptxas, "-v", "-O3", f"-arch={architecture(cc)}", source, "-o", cubin]).stderr
        document = tools.run([found.nvdisasm, "--emit-json", cubin]).stdout if loops else ""
    code = sass.read(document, entry) if loops else ()
    return Compiled(
        kernel=name,
        cc=tuple(cc),
        registers=_number(r"Used (\d+) registers", said),
        spill_bytes=_number(r"(\d+) bytes spill stores", said) + _number(r"(\d+) bytes spill loads", said),
        stack_bytes=_number(r"(\d+) bytes stack frame", said),
        shared_bytes=_number(r"(\d+) bytes smem", said),
        code_bytes=len(code) * sass.INSTRUCTION_BYTES,
        loops=sass.loops(code),
        ptx=ptx,
    )


def _reason(error: Exception) -> str:
    """The line of Numba's message that says what is wrong; the first one names a stage of its pipeline."""
    lines = [line.strip() for line in str(error).splitlines()]
    return next((line for line in lines if line and not line.startswith("Failed in ")), type(error).__name__)


def _number(pattern: str, text: str) -> int:
    """The sum over all functions of what ptxas reports; 0 where it reports nothing."""
    return sum(int(number) for number in re.findall(pattern, text))
