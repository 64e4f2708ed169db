"""The Iceberg catalog: where it lives, and how each engine is told about it."""
