"""Checkpoints of a run: shards as files, who writes what, and how a run goes on."""
