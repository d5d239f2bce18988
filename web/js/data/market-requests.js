// @ts-check
/**
 * What is requested of the server beside the history: columns, the candles it keeps, realised liquidations.
 * A request that fails leaves what was there; whoever made it makes it again when it is next due.
 * @module
 */

import { historyOfTiers } from "./leverage-planes.js";
import { fetchColumns, fetchHistory, fetchKlines, fetchLiquidations } from "./rest-client.js";
import { fetchReady, RestError } from "./rest-client.js";
import { INTERVALS_MS, WINDOWS } from "../state/time-windows.js";

/** @typedef {import("./market.js").Market} Market */
/** @typedef {import("../state/time-windows.js").WindowName} WindowName */
/**
 * @typedef {object} LoadedMarket times without a unit are of performance.now()
 * @property {string} key the map's name
 * @property {Market} market
 * @property {WindowName} window that it is loaded for
 * @property {AbortController | null} loading
 * @property {string} error why its history did not come; empty: it did
 * @property {number} reloadAt 0: not wanted
 * @property {number} appended columns since the server's candles were fetched
 * @property {number} klinesAt
 * @property {{ address: string, history: import("./history-codec.js").History } | null} planes the history
 * with its leverage tiers apart, by the address it came from
 * @property {import("./detail.js").Detail | null} detail the part of the prices that is loaded; null: all
 * @property {import("./detail.js").Detail | null} wanted what was wanted when it was last looked at
 * @property {import("./rest-client.js").ColumnsResponse | null} columns the newest, with their mix
 * @property {Map<string, unknown>} asked what is under way, by its kind
 * @property {number} liquidationsTo UTC ms up to which they are complete; 0: none are
 */

const REFUSED = 400;
const DAY_MS = 86_400_000;
/** Tiers chosen a moment apart are one change. */
const REFRESH_MS = 1500;

/** Exchanges that an answer has named: this server has them. @type {Set<string>} */
const named = new Set();

/** Of these exchanges there is no map on this server. */
export class UnknownExchanges extends Error {
  /** @param {string[]} names */
  constructor(names) {
    super(`no such exchange: ${names.join(", ")}`);
    this.names = names;
  }
}

/**
 * Loads a map's history, and the newest columns where those of the socket are not what is shown.
 * @param {LoadedMarket} entry
 * @param {string} address
 * @param {{ exchanges: string[], tiers: number[], signal: AbortSignal }} view that the address is of
 * @returns {Promise<void>} Throws RestError, UnknownExchanges, what fetch throws.
 */
export async function requestHistory(entry, address, { exchanges, tiers, signal }) {
  const { market, detail } = entry;
  // What no answer has named is asked about first: a link may name what is refused.
  if (!exchanges.every((name) => named.has(name))) await checkExchanges(market.symbol, exchanges, signal);
  const askedAt = performance.now();
  const same = market.isOf(exchanges) && !tiers.length;
  const [history, columns] = await Promise.all([
    fetchHistory(address, signal),
    same ? null : fetchColumns(market.symbol, exchanges, signal),
  ]).catch(async (error) => {
    // Those of another market, or of a server that was started anew with fewer.
    const refused = exchanges.length > 0 && error instanceof RestError && error.status === REFUSED;
    if (refused) await checkExchanges(market.symbol, exchanges, signal);
    throw error;
  });
  if (signal.aborted) return;
  entry.liquidationsTo = 0;
  if (tiers.length) entry.planes = { address, history }; // kept for the way back to all and again to some
  const taken = tiers.length ? historyOfTiers(history, tiers) : history;
  market.takeHistory(taken, exchanges, tiers, detail !== null);
  entry.columns = columns ?? entry.columns;
  if (columns) market.takeColumns(columns, { asNow: true, askedAt });
}

/**
 * @param {LoadedMarket} entry
 * @param {boolean} asNow whether they stand for the snapshot that no socket brings
 * @returns {Promise<boolean>} whether the server answered
 */
export function requestColumns(entry, asNow) {
  return once(entry, "columns", entry.market.chosen.join(), () => askColumns(entry, asNow));
}

/**
 * @param {LoadedMarket} entry
 * @param {boolean} asNow
 * @returns {Promise<boolean>}
 */
async function askColumns(entry, asNow) {
  const { market } = entry;
  const { symbol, chosen } = market;
  const askedAt = performance.now();
  try {
    const columns = await fetchColumns(symbol, chosen);
    if (!market.isOf(chosen)) return true;
    entry.columns = columns;
    market.takeColumns(columns, { asNow: asNow || market.tiers.length > 0, askedAt });
    return true;
  } catch {
    return false; // the indicator goes by the age of the last response
  }
}

/**
 * Corrects the candles built of passing prices by those the server keeps.
 * @param {LoadedMarket} entry
 * @param {string} interval
 */
export async function requestCandles(entry, interval) {
  const { symbol, chosen, matrix } = entry.market;
  const limit = Math.min(50, entry.appended + 2);
  entry.appended = 0;
  entry.klinesAt = performance.now();
  try {
    const { data } = await fetchKlines(symbol, interval, limit, chosen);
    if (!matrix || entry.market.matrix !== matrix) return; // they may be of bars of another length
    const newest = matrix.timeOf(matrix.end - 1);
    for (const kline of data) {
      const timeMs = typeof kline.timestamp === "number" ? kline.timestamp : Date.parse(kline.timestamp);
      if (timeMs !== newest) entry.market.takeCandle(timeMs, kline);
    }
  } catch {
    // The candles of passing prices stay; the next column tries again.
  }
}

/**
 * Adds the realised liquidations since the last answer, or those of the whole window.
 * @param {LoadedMarket} entry
 * @param {string} interval
 */
export async function requestLiquidations(entry, interval) {
  const { matrix, now } = entry.market;
  if (!matrix || (now && now.timeMs < entry.liquidationsTo)) return;
  await once(entry, "liquidations", matrix, () => askLiquidations(entry, interval, matrix));
}

/**
 * @param {LoadedMarket} entry
 * @param {string} interval
 * @param {import("./history-matrix.js").HistoryMatrix} matrix that they are to be shown with
 */
async function askLiquidations(entry, interval, matrix) {
  const { symbol, chosen } = entry.market;
  const to = matrix.timeOf(matrix.end) + matrix.intervalMs;
  const whole = entry.liquidationsTo === 0;
  const { spanMs } = WINDOWS[entry.window];
  // The panel shows the last day whatever the window is.
  const from = entry.liquidationsTo || to - Math.max(DAY_MS, spanMs) - 2 * matrix.intervalMs;
  try {
    const response = await fetchLiquidations(symbol, from, to, interval, chosen);
    if (entry.market.matrix !== matrix) return true; // totals of other intervals would be counted twice
    // The newest interval's totals still grow, and an event may arrive late: request it again.
    entry.liquidationsTo = matrix.timeOf(matrix.end) - 2 * (INTERVALS_MS[interval] ?? 0);
    entry.market.takeLiquidations(response, { whole });
    return true;
  } catch {
    // Requested again in a few seconds, from where it stood.
    if (entry.market.matrix === matrix) entry.market.missLiquidations();
    return false;
  }
}

/**
 * Asks what is not under way already: a server that hangs would be asked ever more.
 * @param {LoadedMarket} entry
 * @param {string} kind
 * @param {unknown} question of that kind, by which it is known
 * @param {() => Promise<boolean>} ask
 * @returns {Promise<boolean>} whether it was asked, and answered
 */
async function once(entry, kind, question, ask) {
  if (entry.asked.has(kind) && entry.asked.get(kind) === question) return false;
  entry.asked.set(kind, question);
  try {
    return await ask();
  } finally {
    if (entry.asked.get(kind) === question) entry.asked.delete(kind);
  }
}

/**
 * @param {string} symbol
 * @param {string[]} exchanges
 * @param {AbortSignal} signal
 * @returns {Promise<void>} Throws UnknownExchanges.
 */
async function checkExchanges(symbol, exchanges, signal) {
  let known = exchanges;
  const isMeasured = exchanges.length === 1 && exchanges[0].endsWith("-measured"); // of a layer of its own
  try {
    if (isMeasured) known = (await fetchReady()).positions ? exchanges : [];
    else ({ all_exchanges: known = exchanges } = await fetchColumns(symbol, [], signal));
  } catch {
    return; // the server's error is shown where the map would be; the next attempt tries again
  }
  for (const name of known) named.add(name);
  const unknown = exchanges.filter((name) => !known.includes(name));
  if (unknown.length) throw new UnknownExchanges(unknown);
}

/**
 * The history with its leverage tiers apart, for a moment at which some of them are chosen.
 * @param {LoadedMarket} entry
 * @param {string} address
 */
export async function requestPlanes(entry, address) {
  try {
    entry.planes = { address, history: await fetchHistory(address) };
    entry.columns ??= await fetchColumns(entry.market.symbol, entry.market.chosen);
  } catch {
    // Whoever chooses a tier asks again.
  }
}

/**
 * Shows other tiers of what is here; the history is loaded anew a moment later, for columns that came since.
 * @param {LoadedMarket} entry
 * @param {string[]} exchanges
 * @param {number[]} tiers
 * @returns {boolean} whether it is here
 */
export function takeTiers(entry, exchanges, tiers) {
  if (!entry.planes || !entry.columns) return false;
  entry.loading?.abort();
  entry.loading = null;
  const history = historyOfTiers(entry.planes.history, tiers);
  entry.market.takeHistory(history, exchanges, tiers, entry.detail !== null);
  entry.market.takeColumns(entry.columns, { asNow: true });
  entry.reloadAt ||= performance.now() + REFRESH_MS;
  return true;
}
