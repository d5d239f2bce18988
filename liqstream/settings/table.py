"""Every setting: its variable, default, unit, limits and meaning.

docs/configuration.md and `.env.template` are tested against this table.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import field_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from liqstream.market.ranking import MarketChoice
from liqstream.settings.exchange_settings import ExchangeSettings
from liqstream.settings.fields import (
    BARE_URL,
    CHANNEL_PREFIX,
    LEADERBOARD_URL,
    PROXY_URL,
    PUSH_HELP,
    PUSH_HOSTS_HELP,
    URL,
    Address,
    Contact,
    Duration,
    FilePath,
    Host,
    Interval,
    Names,
    OneWord,
    RegionName,
    RestUrl,
    WsUrl,
)
from liqstream.settings.fields import setting as _setting
from liqstream.settings.own_address import HOST, PORT
from liqstream.settings.secret_files import SECRETS_DIR_HELP
from liqstream.settings.server_role import ServerRole
from liqstream.settings.symbol_names import ChosenSymbols, FollowedSymbols, SymbolNames
from liqstream.settings.utc_time import OptionalTime
from liqstream.symbols import SIMULATED_BY_THOUSAND, SUPPORTED_SYMBOLS

_LISTS = ("exchanges", "hosts", "allowed_origins", "trusted_proxies", "frame_ancestors", "push_hosts")


class Settings(BaseSettings):
    """One frozen value per setting; the attribute's unit is in its name.

    A `{...}` in a help text is a fact of the exchanges, filled in above the feeds (cli/show_config.py).
    """

    model_config = SettingsConfigDict(
        env_file=".env", frozen=True, extra="ignore", populate_by_name=True, case_sensitive=True
    )

    # The stream
    ws_enabled: bool = _setting("WS_ENABLED", True, "false answers /ws/heatmap with 503; the page polls.")
    ws_update_interval_s: int = _setting(
        "WS_UPDATE_INTERVAL", 5, "Update interval of a subscription that names none.", "s", ge=1, le=60
    )
    ticks_per_s: float = _setting(
        "LIQSTREAM_TICKS_PER_S", 5.0, "Ticks of a symbol a second at most (protocol 2).", "1/s", ge=1, le=10
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
    redis_url: OneWord = _setting(
        "REDIS_URL", "redis://localhost:6379", "Where Redis is (redis://, rediss://, unix:// or sentinel://)."
    )
    redis_channel_prefix: str = _setting(
        "REDIS_CHANNEL_PREFIX", "heatmap", "Prefix of every channel and key.", pattern=CHANNEL_PREFIX
    )
    redis_url_file: str = _setting("REDIS_URL_FILE", "", "File whose one line is REDIS_URL.")
    role: ServerRole = _setting(
        "LIQSTREAM_ROLE",
        ServerRole.ALL,
        "all: collect, serve, and lead when it is our turn; producer: the same without sockets; "
        "fanout: serve what the fleet makes, with no store of our own.",
    )
    lease_s: float = _setting(
        "LIQSTREAM_LEASE", 5.0, "A leader that is silent for longer is replaced.", "s", ge=1, le=60
    )
    history_url: Address = _setting(
        "LIQSTREAM_HISTORY_URL",
        "",
        "Where a fanout server asks for history and prices, e.g. http://producer:8000.",
        pattern=BARE_URL,
    )

    # The server
    host: Host = _setting("LIQSTREAM_HOST", HOST, "Address to listen on.")
    port: int = _setting("LIQSTREAM_PORT", PORT, "Port to listen on; 0 takes a free one.", "", ge=0, le=65535)
    reuse_port: bool = _setting(
        "LIQSTREAM_REUSE_PORT", False, "Share the port with other processes of this user and fleet."
    )
    health_socket: str = _setting("LIQSTREAM_HEALTH_SOCKET", "", "Unix socket for /health, /ready, /metrics.")
    db_path: FilePath = _setting("LIQSTREAM_DB", Path("data/liqstream.duckdb"), "The DuckDB file.")

    # Where data comes from
    exchanges: Names = _setting(
        "LIQSTREAM_EXCHANGES",
        (),
        "Exchanges to follow: {exchanges}. Empty: a simulated market.",
        "comma-separated",
    )
    demo_venues: int = _setting(
        "LIQSTREAM_DEMO_VENUES",
        1,
        "Venues of the simulated market: each with traders of its own, all with the same price moves.",
        "",
        ge=1,
        le=4,
    )
    demo_start: OptionalTime = _setting(
        "LIQSTREAM_DEMO_START", "", "UTC time at which the simulated market starts; empty: now."
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
    exchange_rest_urls: dict[str, RestUrl] = _setting(
        "LIQSTREAM_<NAME>_REST_URL",
        {},
        "Where {display_name}'s REST interface is; any other than its own is named on the page.",
    )
    exchange_ws_urls: dict[str, WsUrl] = _setting(
        "LIQSTREAM_<NAME>_WS_URL",
        {},
        "Where {display_name}'s WebSocket is; any other than its own is named on the page.",
    )

    proxy: Address = _setting(
        "LIQSTREAM_PROXY",
        "",
        "HTTP proxy to exchanges, REST and WebSocket alike. Empty: what HTTPS_PROXY and NO_PROXY say.",
        pattern=PROXY_URL,
    )
    proxy_file: str = _setting("LIQSTREAM_PROXY_FILE", "", "File whose one line is LIQSTREAM_PROXY.")
    exchange_regions: dict[str, RegionName] = _setting(
        "LIQSTREAM_<NAME>_REGION",
        {},
        "Whose addresses of {display_name} are used: {regions}. Empty: those for everybody else.",
    )

    # The market
    symbols: FollowedSymbols = _setting(
        "LIQSTREAM_SYMBOLS",
        ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT"),
        "Symbols to follow, in any usual form (BTC/USDT:USDT, kPEPE), of exchanges any perpetual; or top:N, "
        "the N of most open interest on the exchanges; or all.",
        "comma-separated",
    )
    extra_symbols: SymbolNames = _setting(
        "LIQSTREAM_EXTRA_SYMBOLS",
        (),
        "Symbols beyond the supported ones that may be followed where there is no exchange to list them.",
        "comma-separated",
    )
    interval: Interval = _setting("LIQSTREAM_INTERVAL", "5m", "Bar interval the model runs on.")
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
        "LIQSTREAM_BRACKETS", "", "JSON file of leverage caps (brackets) by symbol, over the bundled ones."
    )
    kernel: str = _setting(
        "LIQSTREAM_KERNEL",
        "tiered",
        "Kernel of the map: tiered, broad, or a file written by `liqstream fit`.",
    )

    # Who may come in
    hosts: Names = _setting(
        "LIQSTREAM_HOSTS",
        (),
        "Names this server is called by (liq.example.com, *.example.com; * for any), beside addresses, names "
        "without a dot, local ones and the certificate's; any other gets 421.",
        "comma-separated",
    )
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
        "LIQSTREAM_MESSAGE_RATE", 10.0, "Messages and pings of a socket on average.", "1/s", gt=0, le=1e6
    )
    message_burst: int = _setting(
        "LIQSTREAM_MESSAGE_BURST", 100, "Messages and pings of a socket at once.", "", ge=1, le=1_000_000
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
    secrets_dir: str = _setting("LIQSTREAM_SECRETS_DIR", "", SECRETS_DIR_HELP)
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
    metrics_host: Host = _setting(
        "LIQSTREAM_METRICS_HOST", "", "Serve /metrics on this address only. Empty: with everything else."
    )
    metrics_port: int = _setting(
        "LIQSTREAM_METRICS_PORT", 9464, "Port of /metrics with LIQSTREAM_METRICS_HOST.", "", ge=0, le=65535
    )

    # Measured positions
    positions: bool = _setting("LIQSTREAM_POSITIONS", False, "Measure public positions on Hyperliquid.")
    positions_weight: int = _setting(
        "LIQSTREAM_POSITIONS_WEIGHT", 800, "REST weight a minute for them, from 60 on; 0: any.", ge=0, le=1100
    )
    positions_url: Address = _setting(
        "LIQSTREAM_POSITIONS_URL", "", "A node's info server for it.", pattern=URL
    )
    positions_leaderboard: Address = _setting(
        "LIQSTREAM_POSITIONS_LEADERBOARD", LEADERBOARD_URL, "Names accounts; empty: off.", pattern=URL
    )
    positions_floor_usd: float = _setting(
        "LIQSTREAM_POSITIONS_FLOOR_USD", 10_000.0, "Smaller positions are read daily.", "USD", ge=0, le=1e9
    )
    positions_days: int = _setting("LIQSTREAM_POSITIONS_DAYS", 30, "Kept for so long.", "days", ge=1, le=3650)

    # Alerts
    alerts: bool = _setting("LIQSTREAM_ALERTS", True, "Evaluate alerts that are set on the page.")
    alerts_file: str = _setting(
        "LIQSTREAM_ALERTS_FILE",
        "",
        "Rules and targets of outgoing alerts (TOML, docs/alerts.md). Empty: none.",
    )
    push: Contact = _setting("LIQSTREAM_PUSH", "", PUSH_HELP)
    push_hosts: Names = _setting("LIQSTREAM_PUSH_HOSTS", (), PUSH_HOSTS_HELP, "comma-separated")
    push_ca: str = _setting("LIQSTREAM_PUSH_CA", "", "Root certificates (PEM) for hosts of that list.")

    # Logs
    log_level: Literal["debug", "info", "warning", "error"] = _setting(
        "LIQSTREAM_LOG_LEVEL", "info", "Least severe level that is logged."
    )
    log_format: Literal["auto", "console", "json"] = _setting(
        "LIQSTREAM_LOG_FORMAT", "auto", "auto: readable on a terminal, JSON elsewhere."
    )

    @field_validator(*_LISTS, mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(dict.fromkeys(part.strip().lower() for part in value.split(",") if part.strip()))
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Strongest first; beside the environment and `.env` each, the exchanges' addresses in it."""
        sources: list[PydanticBaseSettingsSource] = [init_settings]
        for source in (env_settings, dotenv_settings):
            sources.append(source)
            if isinstance(source, EnvSettingsSource):
                sources.append(ExchangeSettings(settings_cls, source.env_vars))
        return (*sources, file_secret_settings)

    @property
    def serves_stream(self) -> bool:
        """Whether clients may open sockets: they are switched on, and the role has them."""
        return self.ws_enabled and self.role != ServerRole.PRODUCER

    @property
    def market_choice(self) -> MarketChoice | None:
        """How the symbols are chosen while the server runs; None where they are named."""
        return self.symbols.choice if isinstance(self.symbols, ChosenSymbols) else None

    @property
    def known_symbols(self) -> tuple[str, ...]:
        """Symbols that may be followed at all."""
        return (*SUPPORTED_SYMBOLS, SIMULATED_BY_THOUSAND, *self.extra_symbols)
