"""Run the lineage service: ``python -m lakehold.lineage.server``; settings and token come from the environment."""

from __future__ import annotations

import logging
import sys

import uvicorn

from lakehold.errors import LakeholdError
from lakehold.lineage import options
from lakehold.lineage.app import create_app


def main() -> int:
    """Serve until told to stop; requests under way are finished first."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        settings = options.load()
    except LakeholdError as problem:
        sys.stderr.write(f"{problem}\n")
        return problem.exit_code
    server = uvicorn.Server(
        uvicorn.Config(
            create_app(settings),
            host=settings.host,
            port=settings.port,
            access_log=False,
            server_header=False,
            log_config=None,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=5,
            backlog=1024,
        )
    )
    server.run()
    return 0 if server.started else 1


if __name__ == "__main__":
    sys.exit(main())
