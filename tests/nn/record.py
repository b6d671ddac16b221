"""Write tests/recorded/nn_*.json: what PyTorch finds in every case.

python -m tests.nn.record [SUBJECT ...]     with an interpreter that has PyTorch
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

from .cases import SUBJECTS, cases
from .outcome import run

FOLDER = Path(__file__).parents[1] / "recorded"


def table(subject):
    return FOLDER / f"nn_{subject}.json"


def main(subjects):
    import torch

    warnings.simplefilter("ignore")
    for subject in subjects or SUBJECTS:
        found = {}
        for name, case in cases(subject).items():
            torch.manual_seed(0)
            found[name] = run(case, torch)
        lines = [f" {json.dumps(k)}: {json.dumps(v, ensure_ascii=False)}" for k, v in found.items()]
        table(subject).write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
