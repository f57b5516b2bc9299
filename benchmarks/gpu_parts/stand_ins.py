"""Lets the benchmark run where packages of the lab that it does not need are not installed.

`labkit.engine` imports what reads images, keeps checkpoints and counts cores. On a GPU server some of those packages
are missing, and no part of the benchmark calls them: each gets a stand-in that can be imported, and iterated as empty.
"""

import importlib
import sys
from importlib.machinery import ModuleSpec
from unittest.mock import MagicMock

NOT_NEEDED = ("PIL", "psutil", "safetensors", "safetensors.numpy", "threadpoolctl")


def put_in_place() -> list[str]:
    """Put a stand-in where one of NOT_NEEDED cannot be imported; returns their names."""
    missing = []
    for name in NOT_NEEDED:
        try:
            importlib.import_module(name)
        except ImportError:
            sys.modules[name] = MagicMock(name=name)
            sys.modules[name].__spec__ = ModuleSpec(name, None)  # PyTorch asks which packages there are by these
            missing.append(name)
    return missing


MISSING = put_in_place()
