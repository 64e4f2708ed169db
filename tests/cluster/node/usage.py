"""What one of the control plane's processes takes, from now on."""

from __future__ import annotations

import os
from pathlib import Path

from node.layout import Node


class Usage:
    """CPU seconds of a process since this was made, and the most memory it has had since."""

    def __init__(self, node: Node, name: str) -> None:
        init = node.init.read_text(encoding="utf-8").strip()
        children = Path(f"/proc/{init}/task/{init}/children").read_text(encoding="utf-8").split()
        named = {child: Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0") for child in children}
        [pid] = [child for child, words in named.items() if name.encode() in words[:2]]
        self._process = Path(f"/proc/{pid}")
        # The peak that the kernel keeps begins anew.
        (self._process / "clear_refs").write_text("5", encoding="utf-8")
        self._before = self._cpu()

    def cpu(self) -> float:
        """Seconds."""
        return self._cpu() - self._before

    def memory(self) -> float:
        """MB."""
        lines = (self._process / "status").read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1000

    def _cpu(self) -> float:
        fields = (self._process / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
