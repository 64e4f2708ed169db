"""Run by spark-submit: executes statements and frames one by one, and notes which lineage events each of them caused.

    spark_statements.py <file with the cases> <file for the answers>

The cases are {"url", "token", "catalog", "until", "tables": {name: {column: type}}, "cases": [{"name", "before",
"made", "statement", "frame", "target"}]}; none begins after "until". The answers are {name: {"after": id, "until": id,
"error": text}}: the events of a case are those with after < event_id <= until.
"""

from __future__ import annotations

import json
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

_LISTENER_MILLISECONDS = 60_000


class Session:
    """A Spark session, and the lineage service its listener tells."""

    def __init__(self, given: dict[str, Any]) -> None:
        self.spark = SparkSession.builder.getOrCreate()
        self.spark.catalog.setCurrentCatalog(given["catalog"])
        self._made: set[str] = set()
        self._bus = self.spark.sparkContext._jsc.sc().listenerBus()
        self._request = urllib.request.Request(  # noqa: S310 - the caller's own service
            given["url"] + "/api/v1/events?limit=1", headers={"Authorization": f"Bearer {given['token']}"}
        )
        self._open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open

    def newest_event(self) -> int:
        """Wait until the listener has told everything; return the newest event."""
        self._bus.waitUntilEmpty(_LISTENER_MILLISECONDS)
        with self._open(self._request, timeout=10) as answer:
            events = json.load(answer)["events"]
        return int(events[0]["event_id"]) if events else 0

    def ensure(self, case: dict[str, Any], tables: dict[str, dict[str, str]]) -> None:
        """Make the tables the case speaks of, without rows, unless they are there."""
        text = " ".join([case["target"], *case["before"], case["statement"], case["frame"]])
        for name in sorted(name for name in tables.keys() - self._made if name in text):
            if not any(made.partition(".")[0] == name.partition(".")[0] for made in self._made):
                self.spark.sql(f"CREATE NAMESPACE IF NOT EXISTS {name.partition('.')[0]}")
            listed = ", ".join(f"{column} {kind}" for column, kind in tables[name].items())
            self.spark.sql(f"CREATE TABLE IF NOT EXISTS {name} ({listed}) USING iceberg")
            self._made.add(name)

    def drop(self, name: str) -> None:
        """Remove a table or view, if there is one."""
        self._made.discard(name)
        for kind, more in (("VIEW", ""), ("TABLE", " PURGE")):
            try:
                self.spark.sql(f"DROP {kind} IF EXISTS {name}{more}")
            except Exception as error:
                if "_NOT_" not in str(error) and "not a" not in str(error):
                    raise

    def run(self, case: dict[str, Any]) -> dict[str, Any]:
        """Run one case; Spark's refusal is part of the answer."""
        try:
            for statement in case["before"]:
                self.spark.sql(statement)
            after = self.newest_event()
            if case["statement"]:
                self.spark.sql(case["statement"])
            else:
                exec(case["frame"], {"spark": self.spark})  # noqa: S102 - the golden program
        except Exception as error:  # noqa: BLE001 - whatever Spark says is the answer
            return {"after": 0, "until": 0, "error": (str(error) or repr(error))[:500]}
        return {"after": after, "until": self.newest_event(), "error": ""}


def main() -> None:
    """Run the cases; each finds the tables as they were given."""
    given = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    session, tables, answers = Session(given), given["tables"], {}
    for case in given["cases"]:
        if time.time() > given["until"]:
            break
        session.ensure(case, tables)
        answers[case["name"]] = session.run(case)
        print(case["name"], answers[case["name"]], file=sys.stderr, flush=True)  # noqa: T201 - its progress
        session.spark.catalog.clearCache()
        for name in {case["target"], *case["made"]} - tables.keys():
            session.drop(name)
        if case["before"] and case["target"] in tables:
            session.drop(case["target"])
    Path(sys.argv[2]).write_text(json.dumps(answers), encoding="utf-8")
    session.spark.stop()


main()
