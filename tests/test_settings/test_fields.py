"""What the table of settings is made of."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, ValidationError

from liqstream.settings.fields import Duration, Interval, setting


class Table(BaseModel):
    """Two settings."""

    interval: Interval = setting("X_INTERVAL", "5m", "Of bars.")
    wait: Duration = setting("X_WAIT", "3d", "How long.", "s")


def test_a_setting_carries_its_variable_meaning_and_unit() -> None:
    """As help and docs show them."""
    field = Table.model_fields["wait"]
    assert (field.validation_alias, field.description) == ("X_WAIT", "How long.")
    assert field.json_schema_extra == {"unit": "s"}


@pytest.mark.parametrize("wrong", [{"X_INTERVAL": "7m"}, {"X_WAIT": "soon"}])
def test_values_that_are_none(wrong: dict[str, str]) -> None:
    """A bar interval there is not, a duration without its unit."""
    with pytest.raises(ValidationError):
        Table(**wrong)
