-- The store's tables as of schema version 2. Times are UTC epoch milliseconds.
-- No PRIMARY KEY and no index: rows are de-duplicated as they come in (ingest.py says why).

CREATE TABLE candles (
    exchange VARCHAR NOT NULL,
    symbol VARCHAR NOT NULL,
    interval_ms BIGINT NOT NULL,
    open_time_ms BIGINT NOT NULL,
    open DOUBLE NOT NULL,
    high DOUBLE NOT NULL,
    low DOUBLE NOT NULL,
    close DOUBLE NOT NULL,
    volume_base DOUBLE,
    volume_quote_usd DOUBLE,
    taker_buy_base DOUBLE
);

CREATE TABLE open_interest (
    exchange VARCHAR NOT NULL,
    symbol VARCHAR NOT NULL,
    time_ms BIGINT NOT NULL,
    open_interest_base DOUBLE NOT NULL,
    reported DOUBLE NOT NULL,
    reported_unit VARCHAR NOT NULL
);

CREATE TABLE liquidations (
    exchange VARCHAR NOT NULL,
    symbol VARCHAR NOT NULL,
    time_ms BIGINT NOT NULL,
    side VARCHAR NOT NULL,
    price_usd DOUBLE NOT NULL,
    quantity_base DOUBLE NOT NULL,
    -- Counts up where one message of the exchange lists the same liquidation more than once.
    occurrence BIGINT DEFAULT 0
);

CREATE TABLE liquidation_totals (
    exchange VARCHAR NOT NULL,
    symbol VARCHAR NOT NULL,
    interval_ms BIGINT NOT NULL,
    open_time_ms BIGINT NOT NULL,
    long_usd DOUBLE NOT NULL,
    short_usd DOUBLE NOT NULL
);

CREATE TABLE funding (
    exchange VARCHAR NOT NULL,
    symbol VARCHAR NOT NULL,
    time_ms BIGINT NOT NULL,
    rate DOUBLE NOT NULL
);

CREATE TABLE schema_version (version BIGINT NOT NULL);
INSERT INTO schema_version VALUES (2);
