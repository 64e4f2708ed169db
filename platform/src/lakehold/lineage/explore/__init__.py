"""Ask the graph: what a table or column comes from and what comes from it, at any time, over HTTP."""
