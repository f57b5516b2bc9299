"""The rules that `validate` checks: within a rank, between ranks, and by an execution without the arithmetic."""
