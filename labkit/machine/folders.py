"""Where files of the user lie on this machine."""

import os
from pathlib import Path


def datasets_folder() -> Path:
    """The folder of data sets: $LABKIT_DATASETS, else `datasets/` of labkit's own checkout, else of the current folder.

    It need not exist yet: a download makes it.
    """
    named = os.environ.get("LABKIT_DATASETS")
    if named:
        return Path(named).expanduser()
    checkout = Path(__file__).resolve().parents[2]
    return checkout / "datasets" if (checkout / "pyproject.toml").is_file() else Path("datasets").absolute()
