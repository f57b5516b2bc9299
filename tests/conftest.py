"""Fixtures that every room's tests share."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def absent(reason: str) -> None:
    """Skip the running test, or fail it where `LABKIT_REQUIRE_ALL=1` says that nothing may be left out (CI)."""
    if os.environ.get("LABKIT_REQUIRE_ALL") == "1":
        pytest.fail(f"LABKIT_REQUIRE_ALL=1, but {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def root() -> Path:
    """The top of the checkout."""
    return ROOT


@pytest.fixture
def require():
    """`require(condition, reason)`: go on if the condition holds, else skip (or fail, see `absent`)."""

    def check(condition: object, reason: str) -> None:
        if not condition:
            absent(reason)

    return check


@pytest.fixture
def shared_data(require) -> Path:
    """Folder with real MNIST and CIFAR-10 files; it stands beside the checkout on development machines only."""
    folder = ROOT.parent / "shared" / "data"
    require(folder.is_dir(), f"no real image files in {folder}")
    return folder
