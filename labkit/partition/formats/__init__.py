"""Hypergraphs and partition vectors in the file formats of PaToH and hMETIS, so that a user's own copy can cut them.

>>> from labkit.partition.formats import hmetis, patoh, vectors
>>> hypergraph = hmetis.read_text("2 3\\n1 2\\n2 3\\n")
>>> patoh.write_text(hypergraph)[0]
'0 3 2 4\\n0 1\\n1 2\\n'

Each module has `read(path)`, `read_text(text)`, `write(value, path)` and `write_text(value)`. Every mistake in a file
is a LabError with line, column, what was found there and what was expected.
"""
