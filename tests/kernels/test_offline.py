"""Compiling kernels without a GPU: what comes out, what is refused, and that nothing stays changed."""

import importlib.metadata
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from labkit.errors import LabError
from labkit.kernels.activate import activate
from labkit.kernels.conv.forward import forward_hybrid
from labkit.kernels.offline import available, compile_kernel, insides, signature, tools, versions
from labkit.kernels.source import cuda, device_function, float32

MAP, VECTOR = np.empty((1, 1, 1, 1), np.float32), np.empty(1, np.float32)
CONV = (MAP, MAP, VECTOR, MAP, 1, 1, 1, 1, 1, 0)
HALF = 32


def scale(x, factor):
    for i in range(cuda.threadIdx.x, x.shape[0], cuda.blockDim.x):
        x[i] = x[i] * float32(0.5) + factor


def scale_in_double(x):
    x[cuda.threadIdx.x] = x[cuda.threadIdx.x] * 0.1


def many_values(x):
    """Keeps HALF values alive at once, and mixes all of them again and again."""
    i = cuda.threadIdx.x
    values = cuda.local.array(HALF, float32)
    for j in range(HALF):
        values[j] = x[i + j]
    for _ in range(x.shape[0]):
        for j in range(HALF):
            values[j] = values[j] * values[(j + 7) % HALF] + values[(j + 13) % HALF]
    for j in range(HALF):
        x[i + j] = values[j]


def looked_up(x):
    """Indexes an array of its own by data: it cannot live in registers."""
    i = cuda.threadIdx.x
    own = cuda.local.array(HALF, float32)
    for j in range(x.shape[0]):
        own[j % HALF] = x[j]
    x[i] = own[int(x[i]) % HALF]


def shares(x):
    i = cuda.threadIdx.x
    room = cuda.shared.array(HALF, float32)
    room[i] = x[i]
    cuda.syncthreads()
    x[i] = room[HALF - 1 - i]


@device_function
def quarter(value):
    return float32(0.25) * value


def with_helper(x):
    x[cuda.threadIdx.x] = quarter(x[cuda.threadIdx.x])


def untypable(x):
    x.no_such_attribute[0] = 1


@pytest.fixture(autouse=True)
def toolchain(require):
    require(available() == "", available())


def test_a_teaching_kernel_compiles_for_a_gpu_that_is_not_here():
    compiled = compile_kernel(forward_hybrid, signature(*CONV), cc=(8, 0))
    assert (compiled.kernel, compiled.cc, compiled.architecture) == ("forward_hybrid", (8, 0), "sm_80")
    assert (compiled.spill_bytes, compiled.stack_bytes, compiled.shared_bytes) == (0, 0, 0)
    assert 16 <= compiled.registers <= 255 and compiled.code_bytes % 16 == 0
    assert ".target sm_80" in compiled.ptx and compiled.origin == "modelled"
    hot = compiled.hot_loop
    assert hot.ffma >= 1 and hot.mix["LDG"] >= hot.ffma and hot.mix["LDS"] >= hot.ffma
    assert hot.within, "the hottest loop of a convolution stands in others"


def test_double_precision_is_seen_and_registers_called_f64_are_not_it():
    assert compile_kernel(scale, signature(VECTOR, np.float32(1)), loops=False).doubles == ()
    assert compile_kernel(scale_in_double, signature(VECTOR), loops=False).doubles
    assert compile_kernel(scale, signature(VECTOR, 0.5), loops=False).doubles, "a Python float is a double"
    compiled = compile_kernel(forward_hybrid, signature(*CONV), loops=False)
    assert "%f64" in compiled.ptx and compiled.doubles == ()


def test_registers_that_do_not_fit_are_seen():
    free = compile_kernel(many_values, signature(VECTOR), loops=False)
    held = compile_kernel(many_values, signature(VECTOR), loops=False, launch_bounds=(1024, 2))
    assert (free.spill_bytes, free.stack_bytes) == (0, 0)
    assert held.spill_bytes > 0 and held.registers <= 32 < free.registers


def test_local_and_shared_memory_are_seen():
    assert compile_kernel(looked_up, signature(VECTOR), loops=False).stack_bytes == 4 * HALF
    assert compile_kernel(shares, signature(VECTOR), loops=False).shared_bytes == 4 * HALF


def test_device_functions_are_compiled_in_and_stay_callable():
    compiled = compile_kernel(with_helper, signature(VECTOR), loops=False)
    assert "call" not in compiled.ptx.split(".entry")[1]
    assert quarter.py_func(8) == 2 and activate.py_func(2, np.float32(-1)) == 0


def test_numba_is_as_it_was_afterwards_also_after_a_failure():
    from numba.cuda import dispatcher
    from numba.cuda.cudadrv import nvrtc, nvvm

    places = [(dispatcher, "get_current_device"), (nvrtc, "get_supported_ccs")]
    places += [(nvvm, "get_libdevice"), (nvvm, "open_libdevice")]
    before = [getattr(*place) for place in places]
    compile_kernel(with_helper, signature(VECTOR), loops=False)
    with pytest.raises(LabError, match=r"untypable does not compile for sm_90: .*no_such_attribute"):
        compile_kernel(untypable, signature(VECTOR))
    assert [getattr(*place) for place in places] == before


def test_another_numba_cuda_is_named():
    with (
        pytest.raises(LabError, match=r"numba-cuda .* has no here\.question"),
        insides.replaced(SimpleNamespace(__name__="here"), "question", 1),
    ):
        pass


@pytest.mark.parametrize(("cc", "message"), [((7, 0), "compute capability 7.0 — take 7.5"), ((99, 0), "sm_990")])
def test_a_gpu_that_nothing_is_compiled_for(cc, message):
    with pytest.raises(LabError, match=message):
        compile_kernel(scale, signature(VECTOR, np.float32(1)), cc=cc)


def test_a_refusal_of_a_program_is_passed_on():
    with pytest.raises(LabError, match=r"ptxas refused: .*such_file.ptx.* — PTX, ptxas and nvdisasm must come from"):
        tools.run([tools.program("ptxas"), "-arch=sm_90", "no_such_file.ptx"])


def test_a_program_that_hangs_is_ended(monkeypatch):
    monkeypatch.setattr(tools, "TIMEOUT_S", 0.5)
    with pytest.raises(LabError, match=r"did not finish within 0\.5 s"):
        tools.run([sys.executable, "-c", "import time; time.sleep(60)"])


def test_what_is_missing_is_named(monkeypatch):
    monkeypatch.setattr(tools, "folders", lambda: [])
    monkeypatch.setenv("PATH", "")
    assert available().startswith("no ptxas, no nvdisasm, no libdevice on this machine — type: make setup EXTRAS=")
    with pytest.raises(LabError, match="cannot be compiled: no ptxas"):
        compile_kernel(scale, signature(VECTOR, np.float32(1)))


def test_the_simulator_compiles_nothing(monkeypatch):
    monkeypatch.setattr(tools, "SIMULATED", True)
    assert "NUMBA_ENABLE_CUDASIM" in available()


def test_versions_name_what_decides_the_machine_code():
    found = versions()
    assert found["numba-cuda"] == importlib.metadata.version("numba-cuda")
    assert found["ptxas"].startswith("13.") and found["nvdisasm"].startswith("13.")
