"""Measuring this machine, so that a schedule's time can be predicted."""
