"""What nacre lacks says so."""

import pytest

import nacre


def test_a_method_that_is_missing_says_that_nacre_lacks_it():
    words = "'Tensor' object has no attribute 'qscheme'"
    with pytest.raises(AttributeError, match=words) as caught:
        nacre.ones(1).qscheme()
    assert caught.value.__notes__ == ["  nacre does not have Tensor.qscheme (yet)"]


def test_questions_for_attributes_are_answered():
    x = nacre.ones(1)
    assert not hasattr(x, "qscheme")
    assert getattr(x, "_nothing", None) is None
    x.mine = 3
    assert x.mine == 3
