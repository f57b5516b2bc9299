"""labkit: how the training of deep networks is partitioned over processors, and where that stops paying.

The rooms, in the order in which data flows through them: `network` (what is trained), `machine` (what it runs on),
`data` (what it learns from), `engine` (the mathematics of one process), `widgets` (the pictures), `course` (the
exercises), and `cli` (the `labkit` command). Importing `labkit` itself loads none of them: no GPU, no MPI and no
Jupyter is needed to read a network's size.
"""

__version__ = "0.1.0"
