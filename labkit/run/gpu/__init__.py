"""Ranks and GPUs: who computes where, and whether NCCL can carry the library's all-reduce."""
