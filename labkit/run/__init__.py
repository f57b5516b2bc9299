"""Runs a schedule on ranks: processes under MPI, or threads of this one, over a real or a slowed-down network."""
