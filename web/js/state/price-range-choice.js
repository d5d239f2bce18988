// @ts-check
/**
 * What is chosen for each market, remembered: who looks at BTC's whole map and at ETH's candles finds them so
 * again. Thresholds of the colours, in USD, and the price asked about are a market's own too, for as long as
 * the page is open.
 * @module
 */

import { keep, recall } from "./storage.js";

/** @typedef {import("./view-state.js").ViewState} ViewState */
/** @typedef {Pick<ViewState, "fit" | "prices">} Fit */
/** @typedef {Pick<ViewState, "low" | "high">} Thresholds */
/** @typedef {Pick<ViewState, "low" | "high" | "if">} Own */

const KEY = "liqstream.fits";
/** @type {Own} */
const NONE = { low: null, high: null, if: null };

/** @type {Map<string, Fit>} */
const fits = new Map(load());
/** @type {Map<string, Own>} of the markets that were in focus */
const owned = new Map();

/**
 * What changes with the market: its own price range, the whole window.
 * @param {ViewState} state the view so far
 * @param {string} symbol the market to show
 * @returns {import("./view-state.js").Patch}
 */
export function marketPatch(state, symbol) {
  if (state.symbol) {
    fits.set(state.symbol, { fit: state.fit, prices: state.prices });
    owned.set(state.symbol, { low: state.low, high: state.high, if: state.if });
    save(state);
  }
  const alone = state.grid === 1 && !state.cells.length;
  const times = alone || state.cells.length ? [] : state.times;
  const { fit, prices } = fits.get(symbol) ?? { fit: state.fit === "free" ? "near" : state.fit, prices: [] };
  return { symbol, fit, prices, ...(owned.get(symbol) ?? NONE), times, at: alone ? null : state.at };
}

/**
 * The thresholds of a market in sight; those of the state are of the one in focus.
 * @param {ViewState} state
 * @param {{ symbol: string, levelShare?: number }} market how many levels of all prices, which they are
 * chosen for, a level shown is
 * @returns {Thresholds}
 */
export function thresholdsOf(state, { symbol, levelShare: share = 1 }) {
  const { low, high } = symbol === state.symbol ? state : (owned.get(symbol) ?? NONE);
  return { low: low && low * share, high: high && high * share };
}

/** @returns {[string, Fit][]} */
function load() {
  try {
    const kept = JSON.parse(recall(KEY) ?? "[]");
    return kept.filter(
      (/** @type {[unknown, Partial<Fit>?] | null} */ entry) =>
        typeof entry?.[0] === "string" && ["near", "candles", "map"].includes(String(entry[1]?.fit)),
    );
  } catch {
    return []; // damaged: nothing was chosen
  }
}

/**
 * Beside those of other markets, which another tab may have kept. A dragged range is of its day: only the
 * modes outlive the page.
 * @param {ViewState} state
 */
function save({ symbol, fit }) {
  const kept = new Map(load());
  if (fit === "free") kept.delete(symbol);
  else kept.set(symbol, { fit, prices: [] });
  keep(KEY, JSON.stringify([...kept]));
}
