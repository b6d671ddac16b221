"""Write what PyTorch makes of every sample to tests/recorded/ops.json.gz.

python tests/ops/record.py --torch /path/to/a/python/with/torch
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    __package__ = "ops"

from .cases import TABLE, ask, every_case


def main() -> None:
    """Record."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--torch", required=True, help="an interpreter that has PyTorch")
    found = ask(p.parse_args().torch, every_case())
    text = json.dumps(dict(sorted(found.items())), separators=(",", ":")).encode()
    TABLE.parent.mkdir(exist_ok=True)
    TABLE.write_bytes(gzip.compress(text, 9, mtime=0))
    print(f"{len(found)} cases, {TABLE.stat().st_size} bytes")


if __name__ == "__main__":
    main()
