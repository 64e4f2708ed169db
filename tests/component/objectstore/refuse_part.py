"""Run in the engine environment, as a job: look at a delivered file and refuse it (the address: JSON on stdin)."""

import json
import sys

from lakehold.config.platform import S3Address
from landed import Landing, Refused

landing = Landing(S3Address(**json.load(sys.stdin)))
(file,) = landing.read([sys.argv[1]])
sys.stdout.write(landing.quarantine(file, Refused(key=file.key, reasons=("for no reason",))) + "\n")
