"""Ranks as processes under MPI: started, watched, told what to do, and ended."""
