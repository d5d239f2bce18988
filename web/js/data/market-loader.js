// @ts-check
/**
 * Loads the markets shown: history by HTTP, the live state by the socket, and by polling when no socket
 * comes through; the leverage mix and realised liquidations beside it.
 * @module
 */

import { LoadedMaps, newEntry } from "./loaded-maps.js";
import { requestCandles, requestColumns, requestHistory, requestLiquidations } from "./market-requests.js";
import { requestPlanes, takeTiers, UnknownExchanges } from "./market-requests.js";
import { refine } from "./detail.js";
import { historyAddress } from "./rest-client.js";
import { Schedule } from "./schedule.js";
import { FAILED_ATTEMPTS_BEFORE_POLLING } from "../state/connection-status.js";
import { intervalOf } from "../state/time-windows.js";

/** @typedef {import("../state/time-windows.js").WindowName} WindowName */
/** @typedef {import("./market.js").Market} Market */
/** @typedef {import("../websocket-client.js").LiqstreamClient} LiqstreamClient */
/** @typedef {import("./market-requests.js").LoadedMarket} LoadedMarket */
/**
 * @typedef {object} Cell a map that is shown
 * @property {string} key its name: the symbol, or symbol and window, as BTCUSDT:12h
 * @property {string} symbol
 * @property {WindowName} window
 */
/**
 * @typedef {object} LoaderOptions
 * @property {string} baseInterval the interval of the server's bars
 * @property {(key: string, error: string) => void} onLoad called when a history arrived or failed
 * @property {(exchanges: string[]) => void} onUnknownExchanges called with requested exchanges that the
 * server does not have
 */

const INTERVAL_S = 1;
/** Of a hidden page that is kept awake. */
const BACKGROUND_INTERVAL_S = 10;
const POLL_MS = 3000;
const MIX_MS = 5000;
const LIQUIDATIONS_MS = 4000;
/** A reload puts right what was missed; more often than this it would only load the server. */
const RELOAD_MS = 8000;
const KLINES_MS = 4000;
const LIVE_WITHIN_MS = 3000;
/**
 * A page hidden for this long lets go of its socket until it is shown again, or asks for less if kept awake.
 */
const HIDDEN_MS = 30_000;

export class MarketLoader {
  #loaded = new LoadedMaps();
  /** @type {LiqstreamClient | null} */
  #client = null;
  #baseInterval;
  /** @type {string[]} */
  #exchanges = [];
  /** @type {number[]} leverage tiers shown; empty: all */
  #tiers = [];
  /** The key of the cell in focus. */
  #focus = "";
  /** performance.now() from which on mix and liquidations are requested: being live goes first. */
  #besidesAt = Infinity;
  #polling = false;
  #paused = false;
  #lastPollAt = -Infinity;
  #schedule = new Schedule();
  #hiddenAt = 0;
  /** Update interval of the subscriptions, s. */
  #intervalS = INTERVAL_S;
  #awakeWhile = () => false;
  /** @type {(key: string) => number[]} lowest and highest price in sight; empty: not known */
  #pricesInSight = () => [];
  #onLoad;
  #onUnknownExchanges;
  /** @type {Set<(market: Market) => void>} */
  #listeners = new Set();

  /** @param {LoaderOptions} options */
  constructor({ baseInterval, onLoad, onUnknownExchanges }) {
    this.#baseInterval = baseInterval;
    this.#onLoad = onLoad;
    this.#onUnknownExchanges = onUnknownExchanges;
    setInterval(() => this.#runTasks(), 500);
  }

  /** Goes live: the markets shown are subscribed, now and when others are. @param {LiqstreamClient} client */
  attach(client) {
    this.#client = client;
    this.#besidesAt = performance.now() + LIVE_WITHIN_MS;
    client.on("snapshot", () => (this.#besidesAt = 0));
    client.on("snapshot", (snapshot) => {
      for (const market of this.#loaded.marketsOf(snapshot.symbol)) market.takeSnapshot(snapshot);
    });
    client.on("tick", (snapshot) => {
      for (const market of this.#loaded.marketsOf(snapshot.symbol)) market.takeTick(snapshot);
    });
    client.on("confirmed", ({ symbol }) => {
      const held = client.snapshot(symbol);
      for (const market of this.#loaded.marketsOf(symbol)) {
        // What was resumed from is not sent again, and polling may have shown another server's since.
        if (held && market.now && market.now.epoch !== held.epoch) market.takeSnapshot(held);
      }
    });
    client.on("status", ({ state, attempt }) => {
      const failed =
        state === "refused" || (state === "waiting" && attempt >= FAILED_ATTEMPTS_BEFORE_POLLING);
      if (failed) this.#polling = true;
      // The next server may hold more, or be earlier in its market: request the whole window.
      if (state === "waiting") for (const entry of this.#loaded.values()) entry.liquidationsTo = 0;
    });
    client.on("subscribed", () => (this.#polling = false));
    client.subscribe(this.#loaded.symbols, this.#pace);
  }

  /**
   * A hidden page stays subscribed while the condition holds, e.g. for alerts.
   * @param {() => boolean} condition
   */
  keepAwakeWhile(condition) {
    this.#awakeWhile = condition;
  }

  /**
   * Where few rows are in sight, finer ones are loaded.
   * @param {(key: string) => number[]} pricesInSight lowest and highest; empty: not known
   */
  refineFor(pricesInSight) {
    this.#pricesInSight = pricesInSight;
  }

  /** Milliseconds since the last response of the polling fallback. */
  get pollAgeMs() {
    return this.#polling ? performance.now() - this.#lastPollAt : Infinity;
  }

  get paused() {
    return this.#paused;
  }

  /**
   * Calls `listener` with a market whose state, mix or liquidations are new, wherever they come from.
   * @param {(market: Market) => void} listener
   */
  subscribe(listener) {
    this.#listeners.add(listener);
  }

  /** Whether a history of what is shown is under way. */
  get isLoading() {
    return [...this.#loaded.values()].some(({ loading }) => loading);
  }

  /** Of the map in focus. */
  get interval() {
    return this.#intervalOf(this.#entryOf(this.#focus));
  }

  /** @param {LoadedMarket} entry */
  #intervalOf({ window }) {
    return intervalOf(window, this.#baseInterval);
  }

  /**
   * @param {string} key
   * @returns {Market}
   */
  market(key) {
    return this.#entryOf(key).market;
  }

  /** That of the first of its maps, which stands for all. @param {string} symbol */
  marketOf(symbol) {
    return this.#loaded.marketsOf(symbol)[0];
  }

  /**
   * @param {string} key
   * @returns {string} why its history did not come; empty if it did
   */
  error(key) {
    return this.#loaded.get(key)?.error ?? "";
  }

  /**
   * Shows exactly these maps; markets of others are unsubscribed and forgotten.
   * @param {Cell[]} cells
   * @param {{ focus: string, exchanges: string[], tiers: number[] }} view focus: a key
   */
  show(cells, { focus, exchanges, tiers }) {
    const otherTiers = tiers.join() !== this.#tiers.join();
    const otherExchanges = exchanges.join() !== this.#exchanges.join();
    this.#tiers = tiers;
    this.#exchanges = exchanges;
    this.#focus = focus;
    const before = this.#loaded.symbols;
    const keys = cells.map(({ key }) => key);
    for (const key of this.#loaded.keys()) if (!keys.includes(key)) this.#loaded.drop(key);
    for (const key of keys) this.#entryOf(key);
    const { symbols } = this.#loaded;
    this.#client?.unsubscribe(before.filter((symbol) => !symbols.includes(symbol)));
    const fresh = symbols.filter((symbol) => !this.#client?.symbols.includes(symbol));
    if (fresh.length) this.#client?.subscribe(fresh, this.#pace);
    for (const { key, window } of cells) {
      const entry = this.#entryOf(key);
      const changed = otherExchanges || window !== entry.window;
      entry.window = window;
      if (changed) entry.market.liquidationsState = "loading";
      if (changed) entry.detail = entry.wanted = null;
      if (otherTiers && !changed && this.holdsTiers(key) && takeTiers(entry, exchanges, tiers)) continue;
      if (changed || otherTiers || (!entry.market.matrix && !entry.loading)) void this.#load(entry);
    }
    this.#schedule.reset();
  }

  /** Fetches what the leverage tiers of the market in focus take, before one of them is chosen. */
  prepareTiers() {
    const entry = this.#loaded.get(this.#focus);
    if (!entry || entry.loading || this.holdsTiers(this.#focus)) return;
    if (this.#schedule.due("tiers", RELOAD_MS)) void requestPlanes(entry, this.#address(entry, true));
  }

  /** Whether any tiers of a map can be shown without another request. @param {string} key */
  holdsTiers(key) {
    const entry = this.#loaded.get(key);
    return entry?.planes?.address === (entry && this.#address(entry, true));
  }

  /**
   * @param {LoadedMarket} entry
   * @param {boolean} byLeverage
   */
  #address(entry, byLeverage) {
    const { market, window, detail } = entry;
    const interval = this.#intervalOf(entry);
    return historyAddress(market.symbol, window, interval, this.#exchanges, byLeverage, detail);
  }

  /** Loads the histories again. */
  reload() {
    for (const entry of this.#loaded.values()) void this.#load(entry);
  }

  /** @param {boolean} hidden */
  setHidden(hidden) {
    this.#hiddenAt = hidden ? performance.now() : 0;
    if (hidden) return;
    this.#setInterval(INTERVAL_S);
    if (!this.#paused) return;
    this.#paused = false;
    this.#client?.connect();
  }

  /** @param {number} intervalS */
  #setInterval(intervalS) {
    if (intervalS === this.#intervalS) return;
    this.#intervalS = intervalS;
    const symbols = this.#loaded.symbols;
    if (symbols.length) this.#client?.subscribe(symbols, this.#pace);
  }

  /** How often the symbols are sent; nobody sees the ticks of a hidden page. */
  get #pace() {
    return { intervalS: this.#intervalS, ticks: this.#intervalS === INTERVAL_S };
  }

  /**
   * @param {string} key
   * @returns {LoadedMarket}
   */
  #entryOf(key) {
    let entry = this.#loaded.get(key);
    if (!entry) {
      const window = this.#loaded.get(this.#focus)?.window ?? "3d";
      entry = newEntry(key, window, (market) => {
        for (const listener of this.#listeners) listener(market);
      });
      this.#loaded.set(key, entry);
    }
    return entry;
  }

  /** @param {LoadedMarket} entry */
  async #load(entry) {
    entry.loading?.abort();
    const loading = new AbortController();
    entry.loading = loading;
    entry.reloadAt = 0;
    const [exchanges, tiers] = [this.#exchanges, this.#tiers];
    try {
      const address = this.#address(entry, tiers.length > 0);
      await requestHistory(entry, address, { exchanges, tiers, signal: loading.signal });
      if (loading.signal.aborted) return;
      entry.error = "";
    } catch (error) {
      if (loading.signal.aborted) return;
      if (error instanceof UnknownExchanges) return this.#onUnknownExchanges(error.names);
      entry.error = error instanceof Error ? error.message : String(error);
      entry.reloadAt = performance.now() + 5000;
    } finally {
      if (entry.loading === loading) entry.loading = null;
    }
    this.#onLoad(entry.key, entry.error);
    if (performance.now() >= this.#besidesAt) void requestLiquidations(entry, this.#intervalOf(entry));
  }

  #runTasks() {
    const now = performance.now();
    if (this.#hiddenAt && !this.#paused && now - this.#hiddenAt > HIDDEN_MS) {
      if (this.#awakeWhile()) this.#setInterval(BACKGROUND_INTERVAL_S);
      else this.#pause();
    }
    if (this.#paused) return;
    for (const entry of this.#loaded.values()) {
      const { key, appended, klinesAt } = entry;
      const due = entry.reloadAt && now > entry.reloadAt && !entry.loading;
      if (due && this.#schedule.due(`load ${key}`, RELOAD_MS)) void this.#load(entry);
      else if (now >= this.#besidesAt && !entry.loading) {
        if (refine(entry, this.#pricesInSight(key))) void this.#load(entry);
      }
      if (appended && now - klinesAt > KLINES_MS) void requestCandles(entry, this.#intervalOf(entry));
    }
    // The socket carries all exchanges and leverages together: some of them are polled.
    const polling = this.#polling || this.#exchanges.length > 0 || this.#tiers.length > 0;
    if (polling && this.#schedule.due("poll", POLL_MS)) {
      for (const entry of this.#loaded.values()) void this.#poll(entry);
    }
    if (now < this.#besidesAt) return;
    const focus = this.#loaded.get(this.#focus);
    if (focus && !polling && this.#schedule.due("mix", MIX_MS)) void requestColumns(focus, false);
    if (this.#schedule.due("liquidations", LIQUIDATIONS_MS)) {
      for (const entry of this.#loaded.values()) {
        void requestLiquidations(entry, this.#intervalOf(entry));
      }
    }
  }

  /** @param {LoadedMarket} entry */
  async #poll(entry) {
    if (await requestColumns(entry, true)) this.#lastPollAt = performance.now();
  }

  #pause() {
    this.#paused = true;
    this.#client?.close();
  }
}
