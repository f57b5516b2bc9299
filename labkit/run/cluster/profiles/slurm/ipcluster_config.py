"""Ranks from Slurm: `labkit cluster up --ranks 8 --profile slurm`.

The controller runs where the command is typed (a login node, or the node of a notebook); Slurm starts the engines on as
many nodes as it takes, and `labkit cluster down` cancels the job. What the site has to offer:

- A home folder that all nodes see: logs and connection files lie there ($IPYTHONDIR moves them).
- Nodes that can open TCP connections to the controller's machine.
- The same Python environment on all nodes, with an MPI that srun can start: `srun --mpi=list` names what it knows; the
  Open MPI wheel knows pmix. With a system MPI, install mpi4py against that one.

What depends on the site is taken from the environment, so that this file need not be edited:

    LABKIT_SLURM_PARTITION=gpu  LABKIT_SLURM_ACCOUNT=course  LABKIT_SLURM_TIME=00:30:00  LABKIT_SLURM_MPI=pmix
    LABKIT_SLURM_OPTIONS="--gpus-per-task=1 --cpus-per-task=4"

A queue may be long: give `--timeout SECONDS`. For anything else copy this folder, edit the copy and name its path:
`--profile ./my-slurm`. The names `n`, `profile_dir`, `cluster_id` and `program_and_args` in braces are ipyparallel's.
"""

import os

c = get_config()  # noqa: F821  (traitlets provides it)

_lines = ["#!/bin/sh", "#SBATCH --export=ALL", "#SBATCH --job-name=labkit-{n}", "#SBATCH --ntasks={n}"]
_lines += ["#SBATCH --time=" + os.environ.get("LABKIT_SLURM_TIME", "01:00:00")]
_lines += ["#SBATCH --output={profile_dir}/log/ipengine-slurm-%j.log"]
for _option, _variable in (("partition", "LABKIT_SLURM_PARTITION"), ("account", "LABKIT_SLURM_ACCOUNT")):
    if os.environ.get(_variable):
        _lines.append(f"#SBATCH --{_option}={os.environ[_variable]}")
_lines += ["#SBATCH " + word for word in os.environ.get("LABKIT_SLURM_OPTIONS", "").split()]
_lines += ["export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 NUMBA_NUM_THREADS=1"]
_lines += ["exec srun --mpi=" + os.environ.get("LABKIT_SLURM_MPI", "pmix") + " {program_and_args} --mpi"]

c.Cluster.engine_launcher_class = "slurm"
c.Cluster.controller_ip = "*"  # engines on other machines must reach it
c.SlurmEngineSetLauncher.batch_template = "\n".join(_lines) + "\n"
