"""GPUs as data: pinned to krishna-gupta-nayak table II and to the makers' peaks."""

import pytest

from labkit.errors import LabError
from labkit.machine import gpus

# As the driver of an H200 answers (CUdevice_attribute -> value).
H200 = {13: 1980000, 16: 132, 36: 3201000, 37: 6144, 38: 62914560, 39: 2048}
H200 |= {75: 9, 76: 0, 81: 233472, 82: 65536, 97: 232448, 106: 32, 111: 1024}


@pytest.mark.parametrize(
    ("key", "multiprocessors", "memory_MiB", "l2_bytes"),
    [("k40", 15, 11440, 1572864), ("gtx1080ti", 28, 11178, 2883584), ("p100", 56, 16281, 4194304)],
)
def test_table_2_of_the_paper(key, multiprocessors, memory_MiB, l2_bytes):
    gpu = gpus.find(key)
    assert (gpu.multiprocessors, gpu.memory_bytes / 2**20, gpu.l2_bytes) == (multiprocessors, memory_MiB, l2_bytes)
    assert gpu.sm.shared_bytes_per_block == 49152


@pytest.mark.parametrize(
    ("key", "TFLOPS"),
    [
        *[("k40", 4.29), ("gtx1080ti", 11.3), ("p100", 10.6), ("t4", 8.1), ("a100", 19.5)],
        *[("rtx4090", 82.6), ("h100", 67), ("h200", 67)],
    ],
)
def test_peaks_are_those_that_the_maker_states(key, TFLOPS):
    assert gpus.find(key).float32_flops_per_s / 1e12 == pytest.approx(TFLOPS, rel=0.01)


def test_every_gpu_has_a_key_of_its_own_and_a_source():
    assert set(gpus.TABLE_2) < gpus.GPUS.keys()
    for gpu in gpus.GPUS.values():
        assert gpus.find(gpu.key) is gpu and gpus.find(gpu.name) is gpu and gpu.source
        assert gpu.sm.registers % (gpu.sm.schedulers * gpu.sm.register_unit) == 0
        assert gpu.sm.shared_bytes_per_block <= gpu.sm.shared_bytes


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("Tesla K40s", "k40"),
        ("NVIDIA H200", "h200"),
        ("RTX 4090", "rtx4090"),
        ("NVIDIA GeForce GTX 1080 Ti", "gtx1080ti"),
    ],
)
def test_names_are_found_as_people_and_drivers_write_them(name, key):
    assert gpus.find(name).key == key


@pytest.mark.parametrize("name", ["h20", "NVIDIA T400", "GeForce RTX 4090 Laptop GPU", ""])
def test_another_gpu_is_not_taken_for_one_of_these(name):
    with pytest.raises(LabError, match="unknown GPU"):
        gpus.find(name)


def test_did_you_mean():
    with pytest.raises(LabError, match="did you mean 'h200'"):
        gpus.find("h220")


def test_the_driver_is_read():
    read, known = gpus.read("NVIDIA H200", 150_754_820_096, H200.__getitem__), gpus.find("h200")
    assert read.sm == known.sm and read.key == "h200"
    assert (read.multiprocessors, read.clock_Hz, read.l2_bytes) == (132, 1980e6, 60 * 2**20)
    assert read.memory_GB_per_s == pytest.approx(known.memory_GB_per_s, rel=0.03)
    assert read.float32_flops_per_s == known.float32_flops_per_s


def test_a_gpu_of_an_unknown_capability_is_what_its_driver_says():
    read = gpus.read("NVIDIA L4", 24 * 10**9, (H200 | {75: 8, 76: 6, 39: 1536, 106: 16, 81: 102400}).__getitem__)
    assert (read.capability, read.sm.threads, read.sm.blocks, read.sm.shared_bytes) == ((8, 6), 1536, 16, 102400)
    assert read.sm.cores == 128


def test_without_a_gpu_there_is_no_record(monkeypatch):
    monkeypatch.setattr(gpus, "first_gpu", lambda: None)
    assert gpus.this_gpu.__wrapped__() is None


def test_this_machines_gpu_can_be_computed_with():
    gpu = gpus.this_gpu()
    if gpu is None:
        pytest.skip("no NVIDIA GPU: nothing to compare")
    assert gpu.multiprocessors >= 1 and gpu.float32_flops_per_s > 1e11 and gpu.memory_GB_per_s > 10
