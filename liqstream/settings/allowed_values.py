"""What a setting takes, in words: the half of a refusal that says what would be right."""

from __future__ import annotations

from typing import Any

from annotated_types import Ge, Gt, Le
from pydantic.fields import FieldInfo

from liqstream.settings.fields import PATTERNS


def in_words(field: FieldInfo, reason: str, context: dict[str, Any]) -> str:
    """What may be the value of a field; `reason` and `context` are of pydantic's error about another one."""
    if field.annotation is bool:
        return "true or false"
    if field.annotation in (int, float):
        return f"{'a whole number' if field.annotation is int else 'a number'} {_bounds(field)}"
    return PATTERNS.get(context.get("pattern", ""), reason)


def _bounds(field: FieldInfo) -> str:
    least = next((each.ge for each in field.metadata if isinstance(each, Ge)), None)
    above = next((each.gt for each in field.metadata if isinstance(each, Gt)), None)
    most = next(each.le for each in field.metadata if isinstance(each, Le))
    return f"from {least} to {most:.10g}" if least is not None else f"above {above}, at most {most:.10g}"
