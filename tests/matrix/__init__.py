"""The parity matrix: everything people train on tables, exported one by one, and each bundle held against its original.

`python -m tests.matrix --only Forest` tries what matches; `make parity` tries all and writes docs/parity.md.
"""
