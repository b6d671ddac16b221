"""Writes tests/recorded/optim.json.gz; run it with a Python that has PyTorch."""

import gzip
import json
from pathlib import Path

import torch
from programs import everything

TARGET = Path(__file__).parent.parent / "recorded" / "optim.json.gz"

if __name__ == "__main__":
    text = json.dumps({"torch": torch.__version__, "results": everything(torch)})
    TARGET.write_bytes(gzip.compress(text.encode(), mtime=0))
    print(f"{TARGET}: {TARGET.stat().st_size} bytes")
