// @ts-check
/**
 * Keeps the shown markets fed: history by HTTP, the live state by the socket, and by polling when no socket
 * comes through; the leverage mix and realised liquidations beside it.
 * @module
 */

import { Market } from "./market.js";
import { fetchColumns, fetchHistory, fetchKlines, fetchLiquidations, historyAddress, RestError } from "./rest.js";
import { FAILED_ATTEMPTS_BEFORE_POLLING } from "../state/connection.js";
import { INTERVALS_MS, intervalOf, WINDOWS } from "../state/windows.js";

/** @typedef {import("../state/windows.js").WindowName} WindowName */
/** @typedef {import("../websocket-client.js").LiqstreamClient} LiqstreamClient */
/** @typedef {{ market: Market, loading: AbortController | null, error: string, reloadAt: number, appended: number, klinesAt: number, liquidationsTo: number }} Fed */

const INTERVAL_S = 1;
const POLL_MS = 3000;
const MIX_MS = 5000;
const LIQUIDATIONS_MS = 4000;
/** A reload puts right what was missed; more often than this it would only load the server. */
const RELOAD_MS = 8000;
const KLINES_MS = 4000;
const DAY_MS = 86_400_000;
/** A page hidden for this long stops listening until it is looked at again. */
const HIDDEN_MS = 30_000;

export class Feed {
  /** @type {Map<string, Fed>} */
  #fed = new Map();
  /** @type {LiqstreamClient | null} */
  #client = null;
  #baseInterval;
  /** @type {WindowName} */
  #window = "3d";
  /** @type {string[]} */
  #venues = [];
  #focus = "";
  #polling = false;
  #paused = false;
  #lastPollAt = -Infinity;
  /** @type {Record<string, number>} when each chore was last begun */
  #begun = {};
  #hiddenAt = 0;
  /** Whether hidden pages go on listening, e.g. for alerts. */
  keepAwake = () => false;
  /** Called when a history arrived or failed. @type {(symbol: string, error: string) => void} */
  onLoad = () => {};
  /** Called with venues asked for that there are none of. @type {(venues: string[]) => void} */
  onUnknownVenues = () => {};
  /** @type {Set<(market: Market) => void>} */
  #watchers = new Set();

  /** @param {{ baseInterval: string }} options the interval of the server's bars */
  constructor({ baseInterval }) {
    this.#baseInterval = baseInterval;
    setInterval(() => this.#chores(), 500);
  }

  /** Goes live: the markets shown are subscribed, now and when others are. @param {LiqstreamClient} client */
  listen(client) {
    this.#client = client;
    client.on("snapshot", (snapshot) => this.#fed.get(snapshot.symbol)?.market.takeSnapshot(snapshot));
    client.on("status", ({ state, attempt }) => {
      const failed = state === "refused" || (state === "waiting" && attempt >= FAILED_ATTEMPTS_BEFORE_POLLING);
      if (failed) this.#polling = true;
      // Whoever answers next may know more, or be earlier in its market: ask for the whole window.
      if (state === "waiting") for (const fed of this.#fed.values()) fed.liquidationsTo = 0;
    });
    client.on("subscribed", () => (this.#polling = false));
    if (!this.#paused) client.subscribe([...this.#fed.keys()], { intervalS: INTERVAL_S });
    for (const fed of this.#fed.values()) void this.#liquidations(fed);
  }

  /** Milliseconds since the polling fallback last got an answer. */
  get pollAgeMs() {
    return this.#polling ? performance.now() - this.#lastPollAt : Infinity;
  }

  get paused() {
    return this.#paused;
  }

  /** Tells of every newer state, mix and liquidations of a market, wherever they come from. @param {(market: Market) => void} watcher */
  watch(watcher) {
    this.#watchers.add(watcher);
  }

  get interval() {
    return intervalOf(this.#window, this.#baseInterval);
  }

  /** @param {string} symbol @returns {Market} */
  market(symbol) {
    return this.#held(symbol).market;
  }

  /** Every venue there is, whatever is chosen. @param {string} symbol @returns {string[]} */
  knownVenues(symbol) {
    return this.#fed.get(symbol)?.market.venues ?? [];
  }

  /** @param {string} symbol @returns {string} why its history did not come; empty if it did */
  error(symbol) {
    return this.#fed.get(symbol)?.error ?? "";
  }

  /**
   * Shows exactly these markets; others are unsubscribed and forgotten.
   * @param {string[]} symbols @param {{ focus: string, window: WindowName, venues: string[] }} view
   */
  show(symbols, { focus, window, venues }) {
    const changed = window !== this.#window || venues.join() !== this.#venues.join();
    this.#window = window;
    this.#venues = venues;
    this.#focus = focus;
    const gone = [...this.#fed.keys()].filter((symbol) => !symbols.includes(symbol));
    for (const symbol of gone) {
      this.#fed.get(symbol)?.loading?.abort();
      this.#fed.delete(symbol);
    }
    this.#client?.unsubscribe(gone);
    const fresh = symbols.filter((symbol) => !this.#client?.symbols.includes(symbol));
    if (fresh.length && !this.#paused) this.#client?.subscribe(fresh, { intervalS: INTERVAL_S });
    for (const symbol of symbols) {
      const fed = this.#held(symbol);
      if (changed || (!fed.market.matrix && !fed.loading)) void this.#load(fed);
    }
    this.#begun = {};
  }

  /** Loads the histories again. */
  reload() {
    for (const fed of this.#fed.values()) void this.#load(fed);
  }

  /** @param {boolean} hidden */
  setHidden(hidden) {
    this.#hiddenAt = hidden ? performance.now() : 0;
    if (!hidden && this.#paused) {
      this.#paused = false;
      const symbols = [...this.#fed.keys()];
      if (symbols.length) this.#client?.subscribe(symbols, { intervalS: INTERVAL_S });
      this.#client?.hurry();
    }
  }

  /** @param {string} symbol @returns {Fed} */
  #held(symbol) {
    let fed = this.#fed.get(symbol);
    if (!fed) {
      const market = new Market(symbol);
      fed = { market, loading: null, error: "", reloadAt: 0, appended: 0, klinesAt: 0, liquidationsTo: 0 };
      const kept = fed;
      market.subscribe((change) => {
        if (change === "behind") kept.reloadAt ||= performance.now() + 1500;
        if (change === "appended") kept.appended += 1;
        if (change === "now" || change === "mix" || change === "liquidations") for (const watcher of this.#watchers) watcher(market);
      });
      this.#fed.set(symbol, fed);
    }
    return fed;
  }

  /** @param {Fed} fed */
  async #load(fed) {
    fed.loading?.abort();
    const loading = new AbortController();
    fed.loading = loading;
    fed.reloadAt = 0;
    const { symbol } = fed.market;
    const venues = this.#venues;
    try {
      const address = historyAddress(symbol, this.#window, this.interval, venues);
      const [history, columns] = await Promise.all([
        fetchHistory(address, loading.signal),
        fed.market.isOf(venues) ? null : fetchColumns(symbol, venues, loading.signal),
      ]);
      if (loading.signal.aborted) return;
      fed.error = "";
      fed.liquidationsTo = 0;
      fed.market.takeHistory(history, venues);
      if (columns) fed.market.takeColumns(columns, { asNow: true });
    } catch (error) {
      if (loading.signal.aborted) return;
      fed.error = error instanceof Error ? error.message : String(error);
      fed.reloadAt = performance.now() + 5000;
      if (venues.length && error instanceof RestError && error.status === 400) void this.#findUnknown(symbol, venues);
    } finally {
      if (fed.loading === loading) fed.loading = null;
    }
    this.onLoad(symbol, fed.error);
    if (this.#client) void this.#liquidations(fed); // the first picture does without
  }

  /** @param {string} symbol @param {string[]} venues of which the server does not know all */
  async #findUnknown(symbol, venues) {
    try {
      const { all_exchanges: known } = await fetchColumns(symbol, []);
      const unknown = venues.filter((venue) => !known.includes(venue));
      if (unknown.length && venues === this.#venues) this.onUnknownVenues(unknown);
    } catch {
      // The server's own sentence stands where the map would be; the next attempt asks again.
    }
  }

  #chores() {
    const now = performance.now();
    if (this.#hiddenAt && !this.#paused && now - this.#hiddenAt > HIDDEN_MS && !this.keepAwake()) this.#pause();
    if (this.#paused) return;
    for (const fed of this.#fed.values()) {
      if (fed.reloadAt && now > fed.reloadAt && !fed.loading && this.#due(`load ${fed.market.symbol}`, RELOAD_MS)) void this.#load(fed);
      if (fed.appended && now - fed.klinesAt > KLINES_MS) void this.#candles(fed);
    }
    // The socket speaks of all venues: some are asked for.
    const asking = this.#polling || this.#venues.length > 0;
    if (asking && this.#due("poll", POLL_MS)) for (const fed of this.#fed.values()) void this.#columns(fed, true);
    const focus = this.#fed.get(this.#focus);
    if (focus && !asking && this.#due("mix", MIX_MS)) void this.#columns(focus, false);
    if (this.#due("liquidations", LIQUIDATIONS_MS)) for (const fed of this.#fed.values()) void this.#liquidations(fed);
  }

  #pause() {
    this.#paused = true;
    this.#client?.unsubscribe(this.#client.symbols);
  }

  /** @param {string} chore @param {number} everyMs @returns {boolean} */
  #due(chore, everyMs) {
    const now = performance.now();
    if (now - (this.#begun[chore] ?? -Infinity) < everyMs) return false;
    this.#begun[chore] = now;
    return true;
  }

  /** @param {Fed} fed @param {boolean} asNow */
  async #columns(fed, asNow) {
    const { symbol, chosen } = fed.market;
    try {
      const columns = await fetchColumns(symbol, chosen);
      if (fed.market.isOf(chosen)) fed.market.takeColumns(columns, { asNow });
      if (asNow) this.#lastPollAt = performance.now();
    } catch {
      // The indicator goes by the age of the last answer; the next one is asked for anyway.
    }
  }

  /** Corrects the candles built of passing prices by those the server keeps. @param {Fed} fed */
  async #candles(fed) {
    const { symbol, chosen } = fed.market;
    const limit = Math.min(50, fed.appended + 2);
    fed.appended = 0;
    fed.klinesAt = performance.now();
    try {
      const { data } = await fetchKlines(symbol, this.interval, limit, chosen);
      if (!fed.market.isOf(chosen)) return;
      const newest = fed.market.matrix && fed.market.matrix.timeOf(fed.market.matrix.end - 1);
      for (const kline of data) {
        const timeMs = typeof kline.timestamp === "number" ? kline.timestamp : Date.parse(kline.timestamp);
        if (timeMs !== newest) fed.market.takeCandle(timeMs, kline);
      }
    } catch {
      // The candles of passing prices stay; the next column asks again.
    }
  }

  /** @param {Fed} fed */
  async #liquidations(fed) {
    const { symbol, chosen, matrix, now } = fed.market;
    if (!matrix || (now && now.timeMs < fed.liquidationsTo)) return;
    const to = matrix.timeOf(matrix.end) + matrix.intervalMs;
    const whole = fed.liquidationsTo === 0;
    // The panel tells the last day whatever the window is.
    const from = fed.liquidationsTo || to - Math.max(DAY_MS, WINDOWS[this.#window].spanMs) - 2 * matrix.intervalMs;
    try {
      const answer = await fetchLiquidations(symbol, from, to, this.interval, chosen);
      if (!fed.market.isOf(chosen)) return;
      // The newest interval's totals still grow, and an event may arrive late: ask for it again.
      fed.liquidationsTo = matrix.timeOf(matrix.end) - 2 * (INTERVALS_MS[this.interval] ?? 0);
      fed.market.takeLiquidations(answer, { whole });
    } catch {
      // Asked again in a few seconds, from where it stood.
    }
  }
}
