"""What one rank does with its list of instructions, whatever carries its messages."""
