"""Profiles: where the ranks of a cluster come from, other than from this machine.

A profile is a folder with a file `ipcluster_config.py` of ipyparallel's. `--profile P` takes a name of those that come
with labkit (`labkit/run/profiles/`), the name of a profile of IPython's (folder `profile_P` beside ours), or a path.
"""

import os
from pathlib import Path

from labkit.errors import LabError, suggest

FILE = "ipcluster_config.py"
OURS = Path(__file__).resolve().parent / "profiles"


def names() -> tuple[str, ...]:
    """Profiles that come with labkit."""
    return tuple(sorted(path.parent.name for path in OURS.glob(f"*/{FILE}")))


def find(profile: str) -> Path:
    """The file of settings of a profile; LabError if there is none."""
    ipython = Path(os.environ.get("IPYTHONDIR") or Path.home() / ".ipython").expanduser()
    for place in (OURS / profile, ipython / f"profile_{profile}", Path(profile).expanduser()):
        if (place / FILE).is_file():
            return place / FILE
    raise LabError(f"there is no profile {profile!r}", f"{suggest(profile, names())}, or give a folder with {FILE}")


def config(profile: str):
    """The settings of a profile, as ipyparallel takes them. LabError for a file that cannot be read as such."""
    from traitlets.config.loader import PyFileConfigLoader

    path = find(profile)
    try:
        return PyFileConfigLoader(path.name, path=str(path.parent)).load_config()
    except Exception as error:  # it is a program of the user's: anything may be wrong with it
        raise LabError(f"{path}: {type(error).__name__}: {error}", "mend the profile") from None
