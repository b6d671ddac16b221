"""What all tests share: the graph is checked at every stage."""

import os

os.environ["NACRE_VERIFY"] = "1"
