"""One declaration per component; the only place a port, default, memory size or command is written."""
