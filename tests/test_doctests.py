"""Every example in a docstring runs and says the truth."""

import doctest
import importlib
import pkgutil

import pytest

import landremed


def modules():
    yield "landremed"
    for found in pkgutil.walk_packages(landremed.__path__, "landremed."):
        yield found.name


@pytest.mark.parametrize("name", sorted(modules()))
def test_examples(name):
    outcome = doctest.testmod(
        importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE, report=True
    )
    assert outcome.failed == 0
