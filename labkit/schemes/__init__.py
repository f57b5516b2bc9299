"""One parallel scheme per file: a function (network, ranks, batch, ...) -> Schedule, made to be read side by side."""
