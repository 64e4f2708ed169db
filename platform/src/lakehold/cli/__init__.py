"""The ``lakehold`` command: one module per verb, each a thin layer over a capability."""
