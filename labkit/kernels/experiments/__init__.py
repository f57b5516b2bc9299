"""The experiments of krishna-gupta-nayak section VII, as functions that return tables: lists of rows, one dict each."""
