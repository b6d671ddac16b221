"""Every case about nn finds on nacre what PyTorch found when it was recorded, or finds now."""

from __future__ import annotations

import json
import warnings

import pytest

import nacre

from .cases import SUBJECTS, cases
from .outcome import differences, run
from .record import table

ALL = [(subject, name) for subject in SUBJECTS for name in cases(subject)]
IDS = [f"{subject}-{name}" for subject, name in ALL]


def outcome(subject, name, torch):
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return json.loads(json.dumps(run(cases(subject)[name], torch)))


@pytest.fixture(scope="module")
def recorded():
    return {subject: json.loads(table(subject).read_text()) for subject in SUBJECTS}


@pytest.mark.parametrize(("subject", "name"), ALL, ids=IDS)
def test_as_recorded(subject, name, recorded):
    found = differences(outcome(subject, name, nacre), recorded[subject][name])
    assert not found, "\n".join(found)


def test_every_case_is_recorded(recorded):
    for subject in SUBJECTS:
        assert list(recorded[subject]) == list(cases(subject))


@pytest.mark.parametrize("subject", SUBJECTS)
def test_as_pytorch_now(subject, recorded):
    torch = pytest.importorskip("torch")
    for name in cases(subject):
        theirs = outcome(subject, name, torch)
        assert not differences(theirs, recorded[subject][name])
