"""Which column comes from which: what the engines say, what their SQL says, and whom to believe."""
