"""liqstream/settings/allowed_values.py: what a refused setting should have been, for people."""

from __future__ import annotations

import re
from typing import Any

from liqstream.settings.allowed_values import in_words
from liqstream.settings.fields import PATTERNS
from liqstream.settings.table import Settings


def test_numbers_and_switches_have_words() -> None:
    """Of every number both bounds, of every switch its values; of others it is what pydantic says."""
    for name, field in Settings.model_fields.items():
        words = in_words(field, "the reason", {})
        if field.annotation is bool:
            assert words == "true or false", name
        elif field.annotation in (int, float):
            assert re.fullmatch(r"a (whole )?number (from|above) [0-9]+(,? at most| to) [0-9]+", words), name
        else:
            assert words == "the reason", name


def test_every_pattern_has_words_that_fit_it() -> None:
    """No setting shows people an expression; the example in its words is taken by it."""

    def patterns(schema: Any) -> set[str]:
        if isinstance(schema, list):
            return set().union(*map(patterns, schema))
        if not isinstance(schema, dict):
            return set()
        return {schema["pattern"]} if "pattern" in schema else set().union(*map(patterns, schema.values()))

    assert patterns(Settings.model_json_schema()) <= PATTERNS.keys()
    for pattern, words in PATTERNS.items():
        field = Settings.model_fields["proxy"]
        assert in_words(field, "should match", {"pattern": pattern}) == words
        for example in re.findall(r"e\.g\. ([^ ,]+)", words):
            assert re.search(pattern, example), words
