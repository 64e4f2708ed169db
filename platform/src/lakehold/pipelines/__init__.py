"""Airflow operators, the DAG bundle and the REST client of Lakehold."""
