"""Every setting: its variable, default, unit, limits and meaning, read once at the start.

Sources, strongest first: command line, environment, `.env`, the defaults below. docs/configuration.md and
`.env.template` are tested against this table.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, cast

from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from liqstream.symbols import INTERVALS_MS, SUPPORTED_SYMBOLS, is_symbol

Names = Annotated[tuple[str, ...], NoDecode]
"""A comma-separated list."""


Duration = Annotated[str, Field(pattern=r"^[0-9]+[smhdw]$")]
"""A whole number and a unit: 90s, 15m, 12h, 3d, 2w."""


def _setting(env: str, default: Any, help_text: str, unit: str = "", **limits: Any) -> Any:
    return Field(
        default, validation_alias=env, description=help_text, json_schema_extra={"unit": unit}, **limits
    )


class Settings(BaseSettings):
    """One frozen value per setting; the attribute's unit is in its name."""

    model_config = SettingsConfigDict(
        env_file=".env", frozen=True, extra="ignore", populate_by_name=True, case_sensitive=True
    )

    # The stream
    ws_enabled: bool = _setting("WS_ENABLED", True, "false answers /ws/heatmap with 503; the page polls.")
    ws_update_interval_s: int = _setting(
        "WS_UPDATE_INTERVAL", 5, "Update interval of a subscription that names none.", "s", ge=1, le=60
    )
    ws_max_connections: int = _setting(
        "WS_MAX_CONNECTIONS", 1000, "Open sockets at most; more are refused with 503.", "", ge=1, le=1_000_000
    )
    ws_slow_consumer_timeout_s: float = _setting(
        "WS_SLOW_CONSUMER_TIMEOUT",
        1.0,
        "Blocked for longer, a client is a slow consumer and is warned.",
        "s",
        gt=0,
        le=60,
    )
    ws_max_queue_size: int = _setting(
        "WS_MAX_QUEUE_SIZE",
        5,
        "Pending frames per client at most, but never fewer than one per subscribed symbol.",
        "frames",
        ge=1,
        le=1000,
    )

    # Many servers
    redis_enabled: bool = _setting("REDIS_ENABLED", False, "Share one stream among servers through Redis.")
    redis_url: str = _setting(
        "REDIS_URL", "redis://localhost:6379", "Where Redis is (redis://, rediss://, unix:// or sentinel://)."
    )
    redis_channel_prefix: str = _setting(
        "REDIS_CHANNEL_PREFIX",
        "heatmap",
        "Prefix of every channel and key.",
        pattern=r"^[A-Za-z0-9_.:-]{1,64}$",
    )
    role: Literal["all", "producer", "fanout"] = _setting(
        "LIQSTREAM_ROLE",
        "all",
        "all: collect, serve, and lead when it is our turn; producer: the same without sockets; "
        "fanout: serve what the fleet makes, with no store of our own.",
    )
    lease_s: float = _setting(
        "LIQSTREAM_LEASE", 5.0, "A leader that is silent for longer is replaced.", "s", ge=1, le=60
    )
    history_url: str = _setting(
        "LIQSTREAM_HISTORY_URL",
        "",
        "Where a fanout server asks for history and prices, e.g. http://producer:8000.",
        pattern=r"^(https?://[^\s/]+/?)?$",
    )

    # The server
    host: str = _setting("LIQSTREAM_HOST", "127.0.0.1", "Address to listen on.")
    port: int = _setting("LIQSTREAM_PORT", 8000, "Port to listen on; 0 takes a free one.", "", ge=0, le=65535)
    db_path: Path = _setting("LIQSTREAM_DB", Path("data/liqstream.duckdb"), "The DuckDB file.")

    # Where data comes from
    exchanges: Names = _setting(
        "LIQSTREAM_EXCHANGES",
        (),
        "Exchanges to follow: binance, bybit, okx, hyperliquid. Empty: a simulated market.",
        "comma-separated",
    )
    demo_venues: int = _setting(
        "LIQSTREAM_DEMO_VENUES",
        1,
        "Venues of the simulated market: each with traders of its own, all in the same weather.",
        "",
        ge=1,
        le=4,
    )
    replay: str = _setting(
        "LIQSTREAM_REPLAY",
        "",
        'Play recorded bars instead: a bars file, or "store" for what is in the store.',
    )
    replay_speed: float = _setting(
        "LIQSTREAM_REPLAY_SPEED", 300.0, "Market seconds per second of a replay.", "", gt=0, le=1e6
    )
    replay_warmup: Duration = _setting(
        "LIQSTREAM_REPLAY_WARMUP", "3d", "First part of a replay, loaded at once as history (e.g. 12h, 3d)."
    )

    # Where exchanges are
    binance_rest_url: str = _setting(
        "LIQSTREAM_BINANCE_REST_URL",
        "https://fapi.binance.com",
        "Where Binance's REST interface is; any other than its own is named on the page.",
        pattern=r"^https?://[^\s?#]+$",
    )
    binance_ws_url: str = _setting(
        "LIQSTREAM_BINANCE_WS_URL",
        "wss://fstream.binance.com",
        "Where Binance's WebSocket is; any other than its own is named on the page.",
        pattern=r"^wss?://[^\s?#]+$",
    )
    bybit_rest_url: str = _setting(
        "LIQSTREAM_BYBIT_REST_URL",
        "https://api.bybit.com",
        "Where Bybit's REST interface is; any other than its own is named on the page.",
        pattern=r"^https?://[^\s?#]+$",
    )
    bybit_ws_url: str = _setting(
        "LIQSTREAM_BYBIT_WS_URL",
        "wss://stream.bybit.com",
        "Where Bybit's WebSocket is; any other than its own is named on the page.",
        pattern=r"^wss?://[^\s?#]+$",
    )
    okx_rest_url: str = _setting(
        "LIQSTREAM_OKX_REST_URL",
        "https://www.okx.com",
        "Where OKX's REST interface is; any other than its own is named on the page.",
        pattern=r"^https?://[^\s?#]+$",
    )
    okx_ws_url: str = _setting(
        "LIQSTREAM_OKX_WS_URL",
        "wss://ws.okx.com:8443",
        "Where OKX's WebSocket is; any other than its own is named on the page.",
        pattern=r"^wss?://[^\s?#]+$",
    )
    hyperliquid_rest_url: str = _setting(
        "LIQSTREAM_HYPERLIQUID_REST_URL",
        "https://api.hyperliquid.xyz",
        "Where Hyperliquid's REST interface is; any other than its own is named on the page.",
        pattern=r"^https?://[^\s?#]+$",
    )
    hyperliquid_ws_url: str = _setting(
        "LIQSTREAM_HYPERLIQUID_WS_URL",
        "wss://api.hyperliquid.xyz",
        "Where Hyperliquid's WebSocket is; any other than its own is named on the page.",
        pattern=r"^wss?://[^\s?#]+$",
    )

    # The market
    symbols: Names = _setting(
        "LIQSTREAM_SYMBOLS",
        ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT"),
        "Symbols to follow.",
        "comma-separated",
    )
    extra_symbols: Names = _setting(
        "LIQSTREAM_EXTRA_SYMBOLS",
        (),
        "Symbols beyond the supported ones that may be asked for.",
        "comma-separated",
    )
    interval: str = _setting("LIQSTREAM_INTERVAL", "5m", "Bar interval the model runs on.")
    stale_after_s: float = _setting(
        "LIQSTREAM_STALE_AFTER", 15.0, "A source silent for longer is stale.", "s", gt=0, le=86400
    )
    history_days: int = _setting(
        "LIQSTREAM_HISTORY_DAYS", 14, "Days of bars the model is warmed up on.", "days", ge=1, le=730
    )
    retention_days: int = _setting(
        "LIQSTREAM_RETENTION_DAYS", 400, "Market data older than this is deleted.", "days", ge=1, le=36500
    )
    brackets: str = _setting(
        "LIQSTREAM_BRACKETS", "", "JSON file of maintenance-margin brackets, over the bundled ones."
    )
    kernel: str = _setting(
        "LIQSTREAM_KERNEL",
        "tiered",
        "Kernel of the map: tiered, broad, or a file written by `liqstream fit`.",
    )

    # Who may come in
    allowed_origins: Names = _setting(
        "LIQSTREAM_ALLOWED_ORIGINS",
        (),
        "Pages of other hosts that may open sockets and read answers (https://example.com); * for all.",
        "comma-separated",
    )
    trusted_proxies: Names = _setting(
        "LIQSTREAM_TRUSTED_PROXIES",
        (),
        "Proxies whose X-Forwarded-For and X-Forwarded-Proto are believed: addresses or networks.",
        "comma-separated",
    )
    max_connections_per_address: int = _setting(
        "LIQSTREAM_MAX_CONNECTIONS_PER_ADDRESS",
        0,
        "Open sockets of one client address (IPv6: one /64) at most; more get 429. 0: no such cap.",
        "",
        ge=0,
        le=1_000_000,
    )
    message_rate_per_s: float = _setting(
        "LIQSTREAM_MESSAGE_RATE",
        10.0,
        "Messages and pings a socket may send on average.",
        "1/s",
        gt=0,
        le=1e6,
    )
    message_burst: int = _setting(
        "LIQSTREAM_MESSAGE_BURST",
        100,
        "Messages and pings a socket may send at once.",
        "",
        ge=1,
        le=1_000_000,
    )
    max_lifetime_s: float = _setting(
        "LIQSTREAM_MAX_LIFETIME",
        0.0,
        "A socket older than this is closed (4004) and comes back, perhaps to a server that was added since; "
        "0: none is.",
        "s",
        ge=0,
        le=31_536_000,
    )
    rest_rate_per_s: float = _setting(
        "LIQSTREAM_REST_RATE", 50.0, "HTTP requests of one client address on average.", "1/s", gt=0, le=1e6
    )
    rest_burst: int = _setting(
        "LIQSTREAM_REST_BURST", 400, "HTTP requests of one client address at once.", "", ge=1, le=1_000_000
    )
    tokens_file: str = _setting(
        "LIQSTREAM_TOKENS_FILE", "", "File of token hashes; with it, the data is only for those who hold one."
    )
    frame_ancestors: Names = _setting(
        "LIQSTREAM_FRAME_ANCESTORS",
        (),
        "Pages that may show the dashboard in a frame: self, origins, or *. Empty: none.",
        "comma-separated",
    )
    tls_cert: str = _setting(
        "LIQSTREAM_TLS_CERT", "", "Certificate chain (PEM); with it the server speaks TLS."
    )
    tls_key: str = _setting("LIQSTREAM_TLS_KEY", "", "Private key of the certificate (PEM).")
    metrics_host: str = _setting(
        "LIQSTREAM_METRICS_HOST", "", "Serve /metrics on this address only. Empty: with everything else."
    )
    metrics_port: int = _setting(
        "LIQSTREAM_METRICS_PORT", 9464, "Port of /metrics with LIQSTREAM_METRICS_HOST.", "", ge=0, le=65535
    )

    # Alerts
    alerts_file: str = _setting(
        "LIQSTREAM_ALERTS_FILE",
        "",
        "Rules and targets of outgoing alerts (TOML, docs/alerts.md). Empty: none.",
    )

    # Logs
    log_level: Literal["debug", "info", "warning", "error"] = _setting(
        "LIQSTREAM_LOG_LEVEL", "info", "Least severe level that is logged."
    )
    log_format: Literal["auto", "console", "json"] = _setting(
        "LIQSTREAM_LOG_FORMAT", "auto", "auto: readable on a terminal, JSON elsewhere."
    )

    @field_validator(
        "symbols",
        "extra_symbols",
        "exchanges",
        "allowed_origins",
        "trusted_proxies",
        "frame_ancestors",
        mode="before",
    )
    @classmethod
    def _split(cls, value: object, info: ValidationInfo) -> object:
        if isinstance(value, str):
            parts = dict.fromkeys(part.strip() for part in value.split(",") if part.strip())
            upper = info.field_name in ("symbols", "extra_symbols")
            return tuple(part.upper() if upper else part.lower() for part in parts)
        return value

    @field_validator("symbols", "extra_symbols")
    @classmethod
    def _symbols_look_right(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for symbol in value:
            if not is_symbol(symbol):
                raise ValueError(f"{symbol!r} is no symbol; 2 to 20 capital letters and digits, e.g. BTCUSDT")
        return value

    @field_validator("interval")
    @classmethod
    def _interval_is_known(cls, value: str) -> str:
        if value not in INTERVALS_MS:
            raise ValueError(f"one of {', '.join(INTERVALS_MS)}")
        return value

    @property
    def allowed_symbols(self) -> tuple[str, ...]:
        """Symbols a client may subscribe to: those that are followed."""
        return self.symbols

    @property
    def known_symbols(self) -> tuple[str, ...]:
        """Symbols that may be followed at all."""
        return (*SUPPORTED_SYMBOLS, *self.extra_symbols)


class BadSettingError(Exception):
    """A setting that cannot be used; the message is the one line to show."""


def load_settings(**overrides: Any) -> Settings:
    """Settings from environment and `.env`, with `overrides` (by attribute name) on top.

    Raises BadSettingError naming the variable, the value and what is allowed.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        settings = Settings(**given)
    except ValidationError as error:
        raise BadSettingError(_one_line(error)) from None
    unknown = [symbol for symbol in settings.symbols if symbol not in settings.known_symbols]
    if unknown:
        raise BadSettingError(
            f"LIQSTREAM_SYMBOLS={','.join(unknown)}: not supported; one of "
            f"{', '.join(settings.known_symbols)}, or add it to LIQSTREAM_EXTRA_SYMBOLS"
        )
    if settings.role == "fanout" and not settings.redis_enabled:
        raise BadSettingError("LIQSTREAM_ROLE=fanout: needs REDIS_ENABLED=true; it has no stream of its own")
    return settings


def _one_line(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    name = str(first["loc"][0]) if first["loc"] else "settings"
    field = Settings.model_fields.get(name)
    variable = cast("str", field.validation_alias) if field else name
    reason = first["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    return f"{variable}={first['input']}: must be {reason}"


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
