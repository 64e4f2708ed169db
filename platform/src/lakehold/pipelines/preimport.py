"""What most tasks import, imported once by the process they are forked from."""

from __future__ import annotations

import airflow.providers.common.sql.operators.sql
import airflow.providers.openlineage.plugins.adapter
import airflow.providers.openlineage.plugins.listener
import airflow.providers.standard.operators.bash
import airflow.providers.standard.operators.empty
import airflow.providers.standard.operators.python
import airflow.sdk.execution_time.task_runner  # noqa: F401 - imported for the side effect of being imported
