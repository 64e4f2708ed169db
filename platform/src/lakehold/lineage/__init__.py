"""Lineage: receive OpenLineage events durably, derive runs, jobs and datasets from them, and answer questions."""
