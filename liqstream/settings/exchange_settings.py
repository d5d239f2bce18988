"""The settings of which there is one per exchange: where its interfaces are, and its region."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

_OF_EXCHANGE = re.compile(r"LIQSTREAM_([A-Z0-9]+)_(REST_URL|WS_URL|REGION)")


def is_of_exchange(variable: str) -> bool:
    """Whether a variable is one of those that each exchange has; which exchanges there are is known above."""
    return _OF_EXCHANGE.fullmatch(variable) is not None


class ExchangeSettings(PydanticBaseSettingsSource):
    """Addresses and regions of exchanges among `variables`: which exchanges there are is known above."""

    def __init__(self, settings: type[BaseSettings], variables: Mapping[str, str | None]) -> None:
        super().__init__(settings)
        self._variables = variables

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Nothing: no field is one variable."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """The three fields, each by the exchange's name in small letters."""
        found: dict[str, dict[str, str | None]] = {}
        for variable, value in self._variables.items():
            if match := _OF_EXCHANGE.fullmatch(variable):
                # By alias, as the command line's come: only then do the sources' tables merge.
                found.setdefault(f"LIQSTREAM_<NAME>_{match[2]}", {})[match[1].lower()] = value
        return dict(found)
