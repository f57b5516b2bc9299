"""The fourth mapping: what the hybrid idea becomes when it is driven to the limit, still in Python.

Every `make(...)` compiles the sizes of one layer into its kernel and returns (kernel, launch); kernels take flat
float32 arrays. `convolution`, `dense` and the files beside them put these together as
`Recipe`s, `plan` says which tile and split a layer gets and why, `ladder` goes from the textbook kernel to these.
"""
