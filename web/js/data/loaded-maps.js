// @ts-check
/**
 * What is held of each map that is shown, by the map's key: the symbol, or symbol and window, as BTCUSDT:12h.
 * Maps of one market have a history each, and one subscription together.
 * @module
 */

import { Market } from "./market.js";

/** @typedef {import("./market-requests.js").LoadedMarket} LoadedMarket */

/** @extends {Map<string, LoadedMarket>} */
export class LoadedMaps extends Map {
  /** Of the maps, each once. @returns {string[]} */
  get symbols() {
    return [...new Set([...this.values()].map(({ market }) => market.symbol))];
  }

  /** Of all maps of it, in their order. @param {string} symbol @returns {Market[]} */
  marketsOf(symbol) {
    return [...this.values()].flatMap(({ market }) => (market.symbol === symbol ? [market] : []));
  }

  /** Forgets a map and gives up what is under way for it. @param {string} key */
  drop(key) {
    this.get(key)?.loading?.abort();
    this.delete(key);
  }
}

/**
 * @param {string} key
 * @param {LoadedMarket["window"]} window
 * @param {(market: Market) => void} onNews called when its state, mix or liquidations are new
 * @returns {LoadedMarket} of which nothing is loaded
 */
export function newEntry(key, window, onNews) {
  const market = new Market(key.split(":")[0]);
  const none = { loading: null, planes: null, columns: null, detail: null, wanted: null, error: "" };
  const at = { reloadAt: 0, appended: 0, klinesAt: 0, liquidationsTo: 0 };
  const entry = { key, market, window, ...none, ...at, asked: new Map() };
  market.subscribe((change) => {
    if (change === "behind") entry.reloadAt ||= performance.now() + 1500;
    if (change === "appended") entry.appended += 1;
    if (change === "now" || change === "mix" || change === "liquidations") onNews(market);
  });
  return entry;
}
