"""The graph: from events to tables, jobs and edges between columns, for any date."""
