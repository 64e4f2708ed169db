"""Sinks: tell others what was received and what became of the graph, at their pace, losing nothing."""
