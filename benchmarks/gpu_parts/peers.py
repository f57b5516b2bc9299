"""PyTorch on the same GPU: cuDNN's convolutions, eager training steps. Used only where torch is installed.

Convolutions are timed with TF32 off and on, because PyTorch's default is on, and the kernels that cuDNN chose are named
(from PyTorch's profiler): for 3x3 filters in float32 it may take Winograd's method, which needs fewer products.
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

WORKERS = Path(__file__).resolve().parents[1] / "cpu_workers"
PRECISIONS = {"fp32": False, "tf32": True}
GROUPS, MOST_PER_GROUP = 7, 200


def available() -> bool:
    """Whether torch is here and sees a GPU."""
    try:
        import torch
    except ImportError:
        return False
    return torch.cuda.is_available()


def set_precision(name: str) -> None:
    """'fp32': no TF32 anywhere; 'tf32': where PyTorch has a switch for it."""
    import torch

    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = PRECISIONS[name]
    torch.backends.cuda.matmul.allow_tf32 = PRECISIONS[name]


def seconds(run: Callable[[], object], budget_s: float = 0.2) -> float:
    """Median seconds of `run` over groups of repetitions, by the GPU's clock, after a warm-up."""
    for _ in range(3):
        run()
    first = _group(run, 1)
    each = max(1, min(MOST_PER_GROUP, int(budget_s / GROUPS / first)))
    return sorted(_group(run, each) for _ in range(GROUPS))[GROUPS // 2]


def _group(run: Callable[[], object], times: int) -> float:
    import torch

    before, after = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    before.record()
    for _ in range(times):
        run()
    after.record()
    after.synchronize()
    return before.elapsed_time(after) / 1000 / times


def convolution(sizes, precision: str) -> Iterator[dict]:
    """Seconds of FP, BP and KU of one convolution (a `ConvSizes`) in cuDNN, and the kernel that took longest."""
    import torch

    set_precision(precision)
    stride, pad = (sizes.stride_h, sizes.stride_w), (sizes.pad_h, sizes.pad_w)
    x = torch.randn(sizes.N, sizes.C, sizes.H, sizes.W, device="cuda")
    w = torch.randn(sizes.K, sizes.C // sizes.groups, sizes.R, sizes.S, device="cuda")
    dy = torch.randn(sizes.N, sizes.K, sizes.P, sizes.Q, device="cuda")

    def forward():
        return torch.nn.functional.conv2d(x, w, None, stride, pad, 1, sizes.groups)

    def backward(*wanted: bool):
        none = [0, 0]
        return torch.ops.aten.convolution_backward(
            dy, x, w, None, stride, pad, [1, 1], False, none, sizes.groups, [*wanted, False]
        )

    runs = {"fp": forward, "bp": lambda: backward(True, False), "ku": lambda: backward(False, True)}
    for phase, run in runs.items():
        yield {"phase": phase, "precision": precision, "seconds": seconds(run), "algorithm": algorithm(run)}


def algorithm(run: Callable[[], object]) -> str | None:
    """Name of the kernel that takes most of the time of `run`, None where the profiler sees none."""
    import torch

    kinds = [torch.profiler.ProfilerActivity.CUDA]
    try:
        with torch.profiler.profile(activities=kinds) as profile:
            run()
            torch.cuda.synchronize()
        events = [event for event in profile.key_averages() if event.device_time_total > 0]
    except RuntimeError:
        return None
    return max(events, key=lambda event: event.device_time_total).key[:100] if events else None


def step(network, batch: int, precision: str = "fp32", seed: int = 0) -> Callable[[], None]:
    """One eager training step of a network of the zoo: FP, loss, BP, KU, SGD with momentum, as in cpu_engine.py."""
    import torch

    sys.path.insert(0, str(WORKERS))
    from torch_worker import Graph

    set_precision(precision)
    torch.manual_seed(seed)
    model = Graph(network).cuda()
    optimizer = torch.optim.SGD(model.parameters(), 1e-3, 0.9, fused=True)
    loss = torch.nn.CrossEntropyLoss()
    x = torch.randn(batch, *network.input_shape, device="cuda")
    labels = torch.randint(0, network.output_shape[0], (batch,), device="cuda")

    def one() -> None:
        optimizer.zero_grad(set_to_none=True)
        loss(model(x), labels).backward()
        optimizer.step()

    return one


def copy_GB_per_s(values: int = 2**28) -> float:
    """Bytes read and written per second by PyTorch's copy between two arrays on the GPU."""
    import torch

    a = torch.zeros(values, device="cuda")
    b = torch.empty_like(a)
    return 2 * 4 * values / seconds(lambda: b.copy_(a)) / 1e9
