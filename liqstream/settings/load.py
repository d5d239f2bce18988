"""Reads the settings once, at the start: command line over environment over `.env` over the defaults."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError
from pydantic_settings import DotEnvSettingsSource

from liqstream.client.url_mask import MASK, masked
from liqstream.market.identity import QUOTES
from liqstream.settings.allowed_values import in_words
from liqstream.settings.secret_files import SecretFileError, secret_path, secret_value
from liqstream.settings.server_role import ServerRole
from liqstream.settings.table import Settings
from liqstream.settings.unknown_names import is_link_address, unknown_names

IN_FILES = ("redis_url", "proxy")
"""Settings that may hold a password, and so may stand in a file that `<NAME>_FILE` names."""

ENV_FILE_ENCODING = "utf-8-sig"
"""Also with the mark of Windows' editors, which would make the first name one that nobody knows."""

MOST_SHOWN = 120
"""Characters of a value in a message."""

_CREDENTIALS = re.compile(r"\A(\s*[A-Za-z][A-Za-z0-9+.-]*://).*@", re.DOTALL)


class BadSettingError(Exception):
    """A setting that cannot be used; the message is the one line to show."""

    def __init__(self, message: str) -> None:
        super().__init__(_in_one_line(message, MOST_SHOWN * 6))


def load_settings(**overrides: Any) -> Settings:
    """Settings from environment and `.env`, with `overrides` (by attribute name) on top.

    `<exchange>_rest_url` and `<exchange>_ws_url` are taken for any exchange. Raises BadSettingError naming
    the variable, the value and what is allowed; also for names that resemble settings and are none.
    """
    _refuse_unknown_names(_env_file())
    given = _by_exchange({name: value for name, value in overrides.items() if value is not None})
    files: dict[str, Path] = {}
    try:
        settings = _settings(given)
        files = _files_of_values(settings, given)
        if files:
            settings = _settings(given | {name: _value_in(path, name) for name, path in files.items()})
    except ValidationError as error:
        raise BadSettingError(_one_line(error, files)) from None
    _refuse_unknown_symbols(settings)
    if settings.role == ServerRole.FANOUT and not settings.redis_enabled:
        raise BadSettingError("LIQSTREAM_ROLE=fanout: needs REDIS_ENABLED=true; it has no stream of its own")
    return settings


def _settings(given: Mapping[str, Any]) -> Settings:
    return Settings(_env_file_encoding=ENV_FILE_ENCODING, **given)


def _files_of_values(settings: Settings, given: Collection[str]) -> dict[str, Path]:
    """Where the settings stand that files hold, by attribute; what the command line gives is stronger."""
    found: dict[str, Path] = {}
    for name in IN_FILES:
        path = getattr(settings, f"{name}_file")
        if not path or name in given:
            continue
        variable = setting_variable(f"{name}_file")
        if name in settings.model_fields_set:
            raise BadSettingError(
                f"{setting_variable(name)} and {variable} are both set: one of them is enough"
            )
        if "://" in path:  # the secret itself, which must not be shown
            raise BadSettingError(f"{variable}: must be the path of a file that holds the address")
        found[name] = secret_path(path, settings.secrets_dir)
    return found


def _value_in(path: Path, name: str) -> str:
    try:
        return secret_value(path)
    except SecretFileError as error:
        raise BadSettingError(f"{setting_variable(f'{name}_file')}: {error}") from None


def _refuse_unknown_symbols(settings: Settings) -> None:
    """An exchange says itself which perpetuals it lists; a simulated market or a recording has known ones."""
    if settings.market_choice is None and not settings.symbols:
        raise BadSettingError("LIQSTREAM_SYMBOLS: names no symbol; BTCUSDT,ETHUSDT for example, or top:20")
    if settings.market_choice is not None:
        _refuse_choice_without_exchanges(settings)
        return
    unknown = [symbol for symbol in settings.symbols if symbol not in settings.known_symbols]
    if settings.exchanges:
        unknown = [symbol for symbol in unknown if not symbol.endswith(QUOTES)]
        right = f"a perpetual settled in {', '.join(QUOTES)}, e.g. BTCUSDT"
    else:
        right = f"one of {', '.join(settings.known_symbols)}, or add it to LIQSTREAM_EXTRA_SYMBOLS"
    if unknown:
        raise BadSettingError(f"LIQSTREAM_SYMBOLS={','.join(unknown)}: not supported; {right}")


def _refuse_choice_without_exchanges(settings: Settings) -> None:
    """Who chooses markets asks exchanges for them; a server that only fans out takes the leader's list."""
    cause = "a replay has its own" if settings.replay else "needs LIQSTREAM_EXCHANGES to choose from"
    if settings.replay or not (settings.exchanges or settings.role == ServerRole.FANOUT):
        raise BadSettingError(f"LIQSTREAM_SYMBOLS={settings.market_choice}: {cause}")


def _env_file() -> Mapping[str, str | None]:
    """What `.env` holds. Raises BadSettingError where it cannot be read."""
    try:
        return DotEnvSettingsSource(Settings, env_file_encoding=ENV_FILE_ENCODING).env_vars
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise BadSettingError(f".env cannot be read: {reason}") from None


def _refuse_unknown_names(in_file: Mapping[str, str | None]) -> None:
    """Before anything else: a misspelt setting may be the cause of the next complaint."""
    complaints = unknown_names(os.environ) + [f".env: {complaint}" for complaint in unknown_names(in_file)]
    if complaints:
        raise BadSettingError("; ".join(complaints))


def _by_exchange(overrides: dict[str, Any]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for name, value in overrides.items():
        if match := re.fullmatch(r"([a-z0-9]+)_(rest|ws)_url", name):
            given.setdefault(f"exchange_{match[2]}_urls", {})[match[1]] = value
        else:
            given[name] = value
    return given


def exchange_url_variable(pattern: str, exchange: str) -> str:
    """The environment variable of an exchange's address, of the pattern `setting_variable` gives."""
    return pattern.replace("<NAME>", exchange.upper())


def _one_line(error: ValidationError, files: Mapping[str, Path]) -> str:
    """What is wrong with the first setting; `files` are those in which values stand, by attribute."""
    first = error.errors(include_url=False)[0]
    name = str(first["loc"][0]) if first["loc"] else "settings"
    # By attribute where the command line gave it, else by variable.
    found = ((n, f) for n, f in Settings.model_fields.items() if name in (n, f.validation_alias))
    attribute, field = next(found, ("", None))
    variable = cast("str", field.validation_alias) if field else name
    if "<NAME>" in variable and len(first["loc"]) > 1:
        variable = exchange_url_variable(variable, str(first["loc"][1]))
    reason = first["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    if field is not None:
        reason = in_words(field, reason, first.get("ctx", {}))
    value = str(first["input"])
    if variable.endswith("_PORT") and is_link_address(value):
        return (
            f"{variable}={value}: set by Kubernetes for a service of that name; "
            "say `enableServiceLinks: false` in the pod's spec, or name the service otherwise"
        )
    # Not the whole line at once: to the mask, what follows an address without a space is a part of it.
    shown = _shown(value)
    sentence = " ".join(_without(reason, value, shown).split())
    if attribute in files:
        shown += f", read from {files[attribute]}"
    # What is a sentence of its own says what would be right behind it.
    return f"{variable}={shown}: {sentence if ' is no ' in sentence else f'must be {sentence}'}"


def _without(reason: str, value: str, shown: str) -> str:
    """A reason with its value as it may be shown; whatever quotes the value writes it in its own way."""
    for written in (repr(value), repr(value.upper()), value):
        if value.strip():
            reason = reason.replace(written, shown)
    return reason


def _shown(value: str) -> str:
    """A value as it may be shown, its secrets masked: of an address also those with white space in them."""
    return _in_one_line(masked(_CREDENTIALS.sub(rf"\1{MASK}@", value)), MOST_SHOWN)


def _in_one_line(text: str, most: int) -> str:
    """A text of so many characters at most, without what a terminal would obey."""
    line = "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)
    return line if len(line) <= most else f"{line[:most]}..."


_DURATION_UNITS_MS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}


def duration_ms(text: str) -> int:
    """Milliseconds of a duration such as "3d". Raises ValueError that says what one looks like."""
    number, unit = text[:-1], text[-1:]
    if not number.isdecimal() or unit not in _DURATION_UNITS_MS:
        raise ValueError(f"{text!r} is no duration; a whole number and a unit, e.g. 90s, 15m, 12h, 3d, 2w")
    return int(number) * _DURATION_UNITS_MS[unit]


def setting_variable(name: str) -> str:
    """The environment variable of a setting's attribute."""
    return cast("str", Settings.model_fields[name].validation_alias)
