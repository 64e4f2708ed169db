"""Lakehold: a self-hosted data platform distribution."""

__version__ = "0.1.0"
