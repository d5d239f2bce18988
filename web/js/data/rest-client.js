// @ts-check
/**
 * The requests of the page over HTTP, below the path the page is served at; every response is checked for its
 * status, and an error carries the server's own sentence.
 * @module
 */

import { fetchWithToken } from "./token.js";
import { detailParam } from "./detail.js";
import { takeFirst } from "./first-history.js";
import { decodeHistory } from "./history-codec.js";
import { ANSWER_MS, HISTORY_MS, within } from "./patience.js";

/**
 * @typedef {object} ColumnsResponse of GET /api/heatmap/{symbol}?columns=1
 * @property {string} timestamp
 * @property {number} epoch
 * @property {number} seq
 * @property {boolean} stale
 * @property {string} source
 * @property {string[]} [quality]
 * @property {string} [kernel]
 * @property {string[]} [exchanges] those the map is of
 * @property {string[]} [all_exchanges] those of the market
 * @property {{ p0: number, step: number, long: number[], short: number[], current_price: number }} data
 * @property {({ groups: string[], p0: number, step: number, long: number[][], short: number[][] }) | null}
 * [mix]
 */
/**
 * @typedef {object} RawLiquidation
 * @property {number} timestamp UTC ms
 * @property {string} exchange
 * @property {string} side
 * @property {number} price
 * @property {number} [quantity] of the base coin
 * @property {number} notional_usd
 */
/**
 * @typedef {object} RawLiquidationTotal
 * @property {number} timestamp
 * @property {number} interval_ms
 * @property {number} long_usd
 * @property {number} short_usd
 */
/** @typedef {{ data?: RawLiquidation[], totals?: RawLiquidationTotal[] }} LiquidationsResponse */
/** @typedef {import("./history-matrix.js").Candle & { timestamp: number | string }} Kline */
/** @typedef {{ spearman?: number | null, ci?: (number | null)[] }} Gain in rank correlation, 95 % interval */
/** @typedef {{ spearman?: number | null, calibration?: number | null }} MethodScore */
/** @typedef {{ gain_over_uniform?: Gain, gain_over_uniform_range?: Gain }} Gains */
/**
 * @typedef {object} Score of GET /api/score/{symbol}
 * @property {string} exchange
 * @property {string} from
 * @property {string} to
 * @property {number} n
 * @property {string} interval
 * @property {{ model: MethodScore, with_same_bar: MethodScore & Gains, drawn_map: MethodScore & Gains,
 *   baselines: Record<string, MethodScore> }} mean of longs and shorts
 * @property {string[]} [warnings]
 * @property {Record<string, ForecastScore>} [forecast] by horizon, recomputed walk-forward
 */
/** @typedef {{ gain?: number | null, ci?: (number | null)[] | null }} ForecastGain */
/**
 * @typedef {object} ForecastScore
 * @property {ForecastGain & { with_map?: number | null, gain_over_strongest: ForecastGain,
 *   gain_over_naive_map: ForecastGain }} rank
 * @property {string} verdict
 * @property {number} windows
 * @property {Record<string, { rank: number | null }> | null} rows
 * @property {string | null} reason why there are no figures
 */
/** @typedef {{ expected_usd: number, quantiles_usd: Record<string, number> | null }} ExpectedSide */
/**
 * @typedef {object} HorizonForecast
 * @property {number} until_ms
 * @property {ExpectedSide} long
 * @property {ExpectedSide} short
 * @property {{ log_distance: number[], chance: number[] }} [reach] not in one that an older server issued
 * @property {{ verdict: string }} skill
 */
/**
 * @typedef {object} Forecast of GET /api/forecast/{symbol}
 * @property {number} time_ms
 * @property {string[]} exchanges
 * @property {Record<string, HorizonForecast>} horizons
 */
/** @typedef {{ connected: boolean, last_message_age_ms: number }} FeedState */
/** @typedef {{ checked_days?: number, note?: string, history_percent?: number }} SymbolState */
/**
 * @typedef {object} Ready
 * @property {Record<string, FeedState>} [feeds]
 * @property {{ state: string }} [positions]
 * @property {Record<string, SymbolState>} [symbols]
 */

export class RestError extends Error {
  /**
   * @param {number} status
   * @param {string} message
   */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/**
 * @param {string} path
 * @param {Record<string, string | number>} [query]
 * @returns {string}
 */
function addressOf(path, query = {}) {
  const text = new URLSearchParams(
    Object.entries(query).map(([key, value]) => [key, String(value)]),
  ).toString();
  return text ? `${path}?${text.replaceAll("%2C", ",")}` : path;
}

/**
 * @param {Response} response
 * @returns {Promise<Response>} Throws RestError unless it is a 2xx.
 */
export async function checked(response) {
  if (response.ok) return response;
  const text = await response.text().catch(() => "");
  let message = `HTTP ${response.status}`;
  try {
    const { error } = JSON.parse(text);
    message = String(error?.message ?? error ?? message).slice(0, 200);
  } catch {
    // no JSON: the status has to do
  }
  throw new RestError(response.status, message);
}

/**
 * @param {string} address
 * @param {AbortSignal} [signal]
 */
function json(address, signal) {
  return within(ANSWER_MS, signal, async (limited) => {
    const init = { signal: limited, headers: { accept: "application/json" } };
    return (await checked(await fetchWithToken(address, init))).json();
  });
}

/**
 * @param {string[]} exchanges empty: all
 * @returns {Record<string, string>}
 */
function exchangeParam(exchanges) {
  return exchanges.length ? { exchange: exchanges.join(",") } : {};
}

/**
 * @param {string} symbol
 * @param {string} window
 * @param {string} interval
 * @param {string[]} exchanges
 * @param {boolean} [byLeverage] whether leverage tiers are to be kept apart
 * @param {import("./detail.js").Detail | null} [detail] the part of the prices that is wanted; null: all
 */
export function historyAddress(symbol, window, interval, exchanges, byLeverage = false, detail = null) {
  return addressOf(`api/heatmap/${encodeURIComponent(symbol)}/history`, {
    window,
    interval,
    ...exchangeParam(exchanges),
    ...(byLeverage ? { leverage: 1 } : {}),
    packed: 1,
    ...detailParam(detail),
  });
}

/**
 * @param {string} address of historyAddress()
 * @param {AbortSignal} [signal]
 * @returns {Promise<import("./history-codec.js").History>}
 */
export function fetchHistory(address, signal) {
  return within(HISTORY_MS, signal, async (limited) => {
    const first = await takeFirst(address);
    if (first?.body) return decodeHistory(first.body);
    const response = first?.response ?? (await fetchWithToken(address, { signal: limited }));
    return decodeHistory(await (await checked(response)).arrayBuffer());
  });
}

/**
 * The newest map with its leverage mix.
 * @param {string} symbol
 * @param {string[]} exchanges
 * @param {AbortSignal} [signal]
 * @returns {Promise<ColumnsResponse>}
 */
export function fetchColumns(symbol, exchanges, signal) {
  return json(
    addressOf(`api/heatmap/${encodeURIComponent(symbol)}`, { columns: 1, ...exchangeParam(exchanges) }),
    signal,
  );
}

/**
 * @param {string} symbol
 * @param {number} fromMs
 * @param {number} toMs
 * @param {string} interval
 * @param {string[]} exchanges
 * @returns {Promise<LiquidationsResponse>}
 */
export function fetchLiquidations(symbol, fromMs, toMs, interval, exchanges) {
  const query = {
    start_time: Math.floor(fromMs),
    end_time: Math.ceil(toMs),
    interval,
    ...exchangeParam(exchanges),
  };
  return json(addressOf(`api/liquidations/${encodeURIComponent(symbol)}`, query));
}

/**
 * @param {string} symbol
 * @param {string} interval
 * @param {number} limit
 * @param {string[]} exchanges
 * @returns {Promise<{ data: Kline[] }>}
 */
export function fetchKlines(symbol, interval, limit, exchanges) {
  return json(addressOf("prices/klines", { symbol, interval, limit, ...exchangeParam(exchanges) }));
}

/**
 * @param {string} symbol
 * @param {string[]} exchanges
 * @returns {Promise<Score>}
 */
export function fetchScore(symbol, exchanges) {
  return json(addressOf(`api/score/${encodeURIComponent(symbol)}`, exchangeParam(exchanges)));
}

/**
 * @typedef {object} ExchangeContext one exchange's figures; null: not known
 * @property {string} exchange
 * @property {number | null} open_interest_usd
 * @property {number | null} funding_rate
 * @property {number | null} next_funding_time
 * @property {number | null} volume_24h_usd
 */
/**
 * @typedef {object} MarketContext of GET /api/context/{symbol}: columns, null where not known, and now
 * @property {string} symbol
 * @property {number} timestamp UTC ms of the newest data
 * @property {number} start_time
 * @property {number} interval_ms
 * @property {(number | null)[]} open_interest_usd
 * @property {number[]} open_interest_exchanges
 * @property {{ interval_ms: number, timestamp: number[], long_usd: number[], short_usd: number[] }}
 * liquidations
 * @property {{ open_interest_usd: number | null, open_interest_time: number | null,
 * open_interest_1h: number | null, open_interest_24h: number | null, funding_exchange: string | null,
 * funding_rate: number | null, funding_time: number | null, next_funding_time: number | null,
 * volume_24h_usd: number | null, volume_time: number | null, exchanges: ExchangeContext[] }} now
 */

/**
 * What stands around the map.
 * @param {string} symbol
 * @param {string} window
 * @param {string} interval empty: the server's own for the window
 * @param {string[]} exchanges
 * @param {AbortSignal} [signal]
 * @returns {Promise<MarketContext>}
 */
export function fetchContext(symbol, window, interval, exchanges, signal) {
  const query = { window, ...(interval ? { interval } : {}), ...exchangeParam(exchanges) };
  return json(addressOf(`api/context/${encodeURIComponent(symbol)}`, query), signal);
}

/** @typedef {{ sentence: string | null, reason: string | null, looks: number }} MeasuredScore */
/**
 * @param {string} symbol
 * @returns {Promise<MeasuredScore>} the estimate judged by measured positions
 */
export function fetchMeasuredScore(symbol) {
  return json(addressOf(`api/score/${encodeURIComponent(symbol)}`, { against: "measured" }));
}

/**
 * @param {string} symbol
 * @returns {Promise<Forecast>}
 */
export function fetchForecast(symbol) {
  return json(addressOf(`api/forecast/${encodeURIComponent(symbol)}`));
}

/**
 * @typedef {object} MeasuredPosition USD; `address` is shortened
 * @property {string} address
 * @property {"long" | "short"} side
 * @property {number} usd at the level
 * @property {number | null} entry
 * @property {number} level
 * @property {"cross" | "isolated"} margin
 * @property {number} age_ms
 * @property {boolean} moves_with_others
 */
/** What one answer holds at most. */
export const MOST_POSITIONS = 200;

/**
 * @typedef {object} MeasuredFacts of GET /api/positions/{symbol}
 * @property {string} source
 * @property {string} [sentence]
 * @property {{sentence: string}} [liquidations] what part of the exchange's liquidations is found
 * @property {MeasuredPosition[]} data the largest first
 */

/**
 * @param {string} symbol
 * @param {{low?: number, high?: number, limit?: number}} [band] of levels, USD
 * @returns {Promise<MeasuredFacts>} with the largest positions
 */
export function fetchPositions(symbol, band = {}) {
  return json(addressOf(`api/positions/${encodeURIComponent(symbol)}`, { limit: MOST_POSITIONS, ...band }));
}

/**
 * @returns {Promise<string[]>} the markets that are followed now
 */
export async function fetchSymbols() {
  const { symbols } = await json("api/symbols");
  return symbols.map((/** @type {{ symbol: string }} */ row) => row.symbol);
}

/** @returns {Promise<Ready>} the body of /ready, also of a 503 */
export async function fetchReady() {
  return (await fetch("ready", { headers: { accept: "application/json" } })).json();
}
