-- The store's tables as of schema version 9. Times are UTC epoch milliseconds.
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
    reported_unit VARCHAR NOT NULL,
    -- Each contract counted once, not on its long and its short side.
    one_sided BOOLEAN DEFAULT true
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

CREATE TABLE liquidation_spans (
    exchange VARCHAR NOT NULL,
    symbol VARCHAR NOT NULL,
    start_ms BIGINT NOT NULL,
    end_ms BIGINT NOT NULL
);

CREATE TABLE funding (
    exchange VARCHAR NOT NULL,
    symbol VARCHAR NOT NULL,
    time_ms BIGINT NOT NULL,
    rate DOUBLE NOT NULL
);

-- Forecasts as they were issued: never changed, of the same symbol, horizon and time the first counts.
CREATE TABLE forecasts (
    symbol VARCHAR NOT NULL,
    horizon VARCHAR NOT NULL,
    time_ms BIGINT NOT NULL,
    exchanges VARCHAR NOT NULL,
    method VARCHAR NOT NULL,
    -- JSON: expected USD, quantiles, range and chances.
    content VARCHAR NOT NULL
);

-- Measured positions of public accounts (Hyperliquid); those of a simulated market are marked in each table.
CREATE TABLE accounts (
    address VARCHAR NOT NULL,
    source VARCHAR NOT NULL,
    first_ms BIGINT NOT NULL,
    last_ms BIGINT NOT NULL,
    read_ms BIGINT NOT NULL,
    opaque BOOLEAN NOT NULL,
    simulated BOOLEAN DEFAULT false
);

-- A row per change; size 0 once it is closed.
CREATE TABLE positions (
    symbol VARCHAR NOT NULL,
    address VARCHAR NOT NULL,
    read_ms BIGINT NOT NULL,
    size_base DOUBLE NOT NULL,
    entry_price DOUBLE,
    liquidation_price DOUBLE,
    leverage DOUBLE,
    isolated BOOLEAN NOT NULL,
    simulated BOOLEAN DEFAULT false
);

-- Every five minutes: USD at measured levels, in cells of 10 bp of log price that hold any.
CREATE TABLE measured_cells (
    symbol VARCHAR NOT NULL,
    time_ms BIGINT NOT NULL,
    cell BIGINT NOT NULL,
    long_usd DOUBLE NOT NULL,
    short_usd DOUBLE NOT NULL,
    simulated BOOLEAN DEFAULT false
);

CREATE TABLE measured_coverage (
    symbol VARCHAR NOT NULL,
    time_ms BIGINT NOT NULL,
    long_share DOUBLE NOT NULL,
    short_share DOUBLE NOT NULL,
    long_with_level DOUBLE NOT NULL,
    short_with_level DOUBLE NOT NULL,
    median_age_ms DOUBLE,
    open_interest_base DOUBLE NOT NULL,
    accounts BIGINT NOT NULL,
    liquidation_capture DOUBLE,
    simulated BOOLEAN DEFAULT false
);

-- Texts kept for their owners (alert rules and what they raised), each once per kind, owner and id.
CREATE TABLE owned_records (
    kind VARCHAR NOT NULL,
    owner VARCHAR NOT NULL,
    id VARCHAR NOT NULL,
    time_ms BIGINT NOT NULL,
    content VARCHAR NOT NULL
);

CREATE TABLE schema_version (version BIGINT NOT NULL);
INSERT INTO schema_version VALUES (9);
