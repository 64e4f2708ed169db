"""The runtime of one machine: components as supervised processes below one state directory."""
