"""Calibration between the ranks that will run."""

from labkit.errors import LabError
from labkit.machine.links import parse_link
from labkit.network import zoo
from labkit.run.calibration.measure import calibrate_on_mpi
from labkit.run.mpi import library as mpi_library

SLOW = parse_link("emulated:500,100")


def test_ranks_under_mpi_calibrate_together(require):
    try:
        mpi_library.launcher()
    except LabError as error:
        require(False, str(error))
    found = calibrate_on_mpi(zoo.get("lenet5"), batches=(2, 4), link=SLOW)
    assert found.costs.link == SLOW and "MPI" in found.communicator
    assert all(seconds > 0 for _, seconds in found.curve)
