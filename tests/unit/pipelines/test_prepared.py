"""Where the mark of a prepared database is looked for."""

from __future__ import annotations

from lakehold.components.airflow_config import render
from lakehold.pipelines.prepared import connection


def test_the_address_is_airflow_s_own() -> None:
    address = "postgresql+psycopg2://airflow:s3cr%25t@demo-postgres:15432/airflow"
    text = render({"database": {"sql_alchemy_conn": address}})
    assert connection(text) == "postgresql://airflow:s3cr%25t@demo-postgres:15432/airflow"
