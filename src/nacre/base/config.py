"""Environment variables, read once."""

import os

HOT = int(os.environ.get("NACRE_HOT", "3"))
