"""Text that was made from kernels, as modules kept in a folder, where Numba can keep their compiled code as well."""

import hashlib
import linecache
import os
import sys
import tempfile
from functools import cache
from pathlib import Path
from time import time
from types import ModuleType

import numba

KEPT_S = 60 * 86400
_HEADER = "import math\n\nimport numpy as np\n\nfrom labkit.kernels.executors.support import {imports}\n\n\n"


def folders() -> list[Path]:
    """Where the texts may be kept, best first: where Numba was told to keep code, beside labkit, the user's cache."""
    told = [Path(numba.config.CACHE_DIR)] if numba.config.CACHE_DIR else []
    home = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA") or Path("~/.cache").expanduser()
    return [*told, Path(__file__).parent / "__pycache__" / "kernels", Path(home) / "labkit" / "kernels"]


@cache
def module(name: str, text: str, imports: str) -> ModuleType:
    """The module with this `text`, which may use `imports` of `support`; the same text is compiled once per machine.

    Where no folder can be written, the text is compiled anew by every process.
    """
    text = _HEADER.format(imports=imports) + text
    support = Path(__file__).with_name("support.py").read_bytes()  # its code becomes part of the compiled kernel
    title = f"{name}_{hashlib.sha256(text.encode() + support).hexdigest()[:16]}"
    path = next((kept for folder in folders() if (kept := _keep(folder / f"{title}.py", text))), None)
    made = ModuleType(f"labkit_kernel_{title}")
    made.__file__ = str(path or f"<{title}>")
    linecache.cache[made.__file__] = (len(text), None, text.splitlines(keepends=True), made.__file__)
    sys.modules[made.__name__] = made  # Numba looks a function's module up by its name
    exec(compile(text, made.__file__, "exec"), vars(made))
    return made


def _drop_old(folder: Path) -> None:
    """Delete texts that were kept long ago, with their compiled code; whoever still wants one compiles it anew."""
    for path in folder.glob("*.py"):
        if path.stat().st_mtime < time() - KEPT_S:
            for old in [*folder.rglob(f"{path.stem}.*")]:
                old.unlink(missing_ok=True)


def _keep(path: Path, text: str) -> Path | None:
    """`path` with `text` in it, or None where it cannot be written. No other process sees a part of it."""
    try:
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, partial = tempfile.mkstemp(dir=path.parent, suffix=".tmp", text=True)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(partial, path)
        _drop_old(path.parent)
        return path
    except OSError:
        return None
