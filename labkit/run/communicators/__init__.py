"""What carries the messages: one protocol, one file for each way."""
