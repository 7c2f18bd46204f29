"""The facts that every published number carries."""

import json
import platform

import numpy as np

from efgan_rt.reporting.machine import machine_facts


def test_the_facts_name_the_machine_and_the_libraries() -> None:
    facts = machine_facts()
    assert facts["cores"] >= 1
    assert facts["processor"]
    assert facts["python"] == platform.python_version()
    assert facts["packages"]["numpy"] == np.__version__


def test_a_library_that_is_not_installed_is_left_out() -> None:
    assert None not in machine_facts()["packages"].values()


def test_the_facts_are_plain_values() -> None:
    facts = machine_facts()
    assert json.loads(json.dumps(facts)) == facts
