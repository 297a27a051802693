"""How a plan and a command line say which class is wanted."""

from typing import Any

import pytest
from pydantic import ValidationError

from noisevote.models.errors import InputError
from noisevote.models.robustness.target_class import TargetRule, parse_target_class
from tests.models.robustness.assessed import changed


@pytest.mark.parametrize("value", ["nearest", 1.5, True, -1, [], [1, "2"], [0, -1], {"0": 1}])
def test_what_names_no_class_is_refused(value: Any) -> None:
    with pytest.raises(ValidationError, match="target_class"):
        changed(target_class=value)


def test_a_command_line_names_a_class_classes_or_a_rule() -> None:
    assert parse_target_class("3") == 3
    assert parse_target_class("3,0,1") == (3, 0, 1)
    assert parse_target_class("dog", ["cat", "dog"]) == 1
    assert parse_target_class("dog,cat", ["cat", "dog"]) == (1, 0)
    with pytest.raises(InputError, match="like 3 or cat, classes with commas"):
        parse_target_class("cow", ["cat", "dog"])
    assert parse_target_class("0", ["1", "0"]) == 0, "numbers are those of the classes"
    assert parse_target_class("least_likely") is TargetRule.LEAST_LIKELY
    with pytest.raises(InputError, match="target_class is 'far'; write a class like 3"):
        parse_target_class("far")
