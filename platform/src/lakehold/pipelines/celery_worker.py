"""What a Celery worker does besides its tasks: it shows that its heart beats."""

from __future__ import annotations

from pathlib import Path

from celery.signals import heartbeat_sent


def prepare(path: str) -> None:
    """Touch the file at each of the worker's heartbeats: every other second, while it hears its broker."""
    file = Path(path)

    def touch(**_signal: object) -> None:
        file.touch()

    heartbeat_sent.connect(touch, weak=False)
