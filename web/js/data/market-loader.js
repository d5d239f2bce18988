// @ts-check
/**
 * Loads the markets shown: history by HTTP, the live state by the socket, and by polling when no socket
 * comes through; the leverage mix and realised liquidations beside it.
 * @module
 */

import { Market } from "./market.js";
import { requestCandles, requestColumns, requestLiquidations } from "./market-requests.js";
import { requestPlanes, takeTiers, unknownExchanges } from "./market-requests.js";
import { refine } from "./detail.js";
import { historyOfTiers } from "./leverage-planes.js";
import { fetchColumns, fetchHistory, historyAddress, RestError } from "./rest-client.js";
import { Schedule } from "./schedule.js";
import { FAILED_ATTEMPTS_BEFORE_POLLING } from "../state/connection-status.js";
import { intervalOf } from "../state/time-windows.js";

/** @typedef {import("../state/time-windows.js").WindowName} WindowName */
/** @typedef {import("../websocket-client.js").LiqstreamClient} LiqstreamClient */
/** @typedef {import("./market-requests.js").LoadedMarket} LoadedMarket */
/**
 * @typedef {object} LoaderOptions
 * @property {string} baseInterval the interval of the server's bars
 * @property {(symbol: string, error: string) => void} onLoad called when a history arrived or failed
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
  /** @type {Map<string, LoadedMarket>} */
  #loaded = new Map();
  /** @type {LiqstreamClient | null} */
  #client = null;
  #baseInterval;
  /** @type {WindowName} */
  #window = "3d";
  /** @type {string[]} */
  #exchanges = [];
  /** @type {number[]} leverage tiers shown; empty: all */
  #tiers = [];
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
  /** @type {(symbol: string) => number[]} lowest and highest price in sight; empty: not known */
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
    client.on("snapshot", (snapshot) => this.#loaded.get(snapshot.symbol)?.market.takeSnapshot(snapshot));
    client.on("tick", (snapshot) => this.#loaded.get(snapshot.symbol)?.market.takeTick(snapshot));
    client.on("confirmed", ({ symbol }) => {
      const [held, market] = [client.snapshot(symbol), this.#loaded.get(symbol)?.market];
      // What was resumed from is not sent again, and polling may have shown another server's since.
      if (held && market?.now && market.now.epoch !== held.epoch) market.takeSnapshot(held);
    });
    client.on("status", ({ state, attempt }) => {
      const failed =
        state === "refused" || (state === "waiting" && attempt >= FAILED_ATTEMPTS_BEFORE_POLLING);
      if (failed) this.#polling = true;
      // The next server may hold more, or be earlier in its market: request the whole window.
      if (state === "waiting") for (const entry of this.#loaded.values()) entry.liquidationsTo = 0;
    });
    client.on("subscribed", () => (this.#polling = false));
    client.subscribe([...this.#loaded.keys()], this.#pace);
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
   * @param {(symbol: string) => number[]} pricesInSight lowest and highest; empty: not known
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

  get interval() {
    return intervalOf(this.#window, this.#baseInterval);
  }

  /**
   * @param {string} symbol
   * @returns {Market}
   */
  market(symbol) {
    return this.#entryOf(symbol).market;
  }

  /**
   * Every exchange there is, whatever is chosen.
   * @param {string} symbol
   * @returns {string[]}
   */
  knownExchanges(symbol) {
    return this.#loaded.get(symbol)?.market.exchanges ?? [];
  }

  /**
   * @param {string} symbol
   * @returns {string} why its history did not come; empty if it did
   */
  error(symbol) {
    return this.#loaded.get(symbol)?.error ?? "";
  }

  /**
   * Shows exactly these markets; others are unsubscribed and forgotten.
   * @param {string[]} symbols
   * @param {{ focus: string, window: WindowName, exchanges: string[], tiers: number[] }} view
   */
  show(symbols, { focus, window, exchanges, tiers }) {
    const otherTiers = tiers.join() !== this.#tiers.join();
    const changed = window !== this.#window || exchanges.join() !== this.#exchanges.join();
    this.#tiers = tiers;
    this.#window = window;
    this.#exchanges = exchanges;
    this.#focus = focus;
    const gone = [...this.#loaded.keys()].filter((symbol) => !symbols.includes(symbol));
    for (const symbol of gone) {
      this.#loaded.get(symbol)?.loading?.abort();
      this.#loaded.delete(symbol);
    }
    this.#client?.unsubscribe(gone);
    const fresh = symbols.filter((symbol) => !this.#client?.symbols.includes(symbol));
    if (fresh.length) this.#client?.subscribe(fresh, this.#pace);
    for (const symbol of symbols) {
      const entry = this.#entryOf(symbol);
      if (changed) entry.market.liquidationsState = "loading";
      if (changed) entry.detail = entry.wanted = null;
      if (otherTiers && !changed && this.holdsTiers(symbol) && takeTiers(entry, exchanges, tiers)) continue;
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

  /** Whether any tiers of a market can be shown without another request. @param {string} symbol */
  holdsTiers(symbol) {
    const entry = this.#loaded.get(symbol);
    return entry?.planes?.address === (entry && this.#address(entry, true));
  }

  /**
   * @param {LoadedMarket} entry
   * @param {boolean} byLeverage
   */
  #address({ market: { symbol }, detail }, byLeverage) {
    return historyAddress(symbol, this.#window, this.interval, this.#exchanges, byLeverage, detail);
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
    const symbols = [...this.#loaded.keys()];
    if (symbols.length) this.#client?.subscribe(symbols, this.#pace);
  }

  /** How often the symbols are sent; nobody sees the ticks of a hidden page. */
  get #pace() {
    return { intervalS: this.#intervalS, ticks: this.#intervalS === INTERVAL_S };
  }

  /**
   * @param {string} symbol
   * @returns {LoadedMarket}
   */
  #entryOf(symbol) {
    let entry = this.#loaded.get(symbol);
    if (!entry) {
      const market = new Market(symbol);
      const none = { loading: null, planes: null, columns: null, detail: null, wanted: null, error: "" };
      entry = { market, ...none, reloadAt: 0, appended: 0, klinesAt: 0, liquidationsTo: 0 };
      const kept = entry;
      market.subscribe((change) => {
        if (change === "behind") kept.reloadAt ||= performance.now() + 1500;
        if (change === "appended") kept.appended += 1;
        if (change === "now" || change === "mix" || change === "liquidations") {
          for (const listener of this.#listeners) listener(market);
        }
      });
      this.#loaded.set(symbol, entry);
    }
    return entry;
  }

  /** @param {LoadedMarket} entry */
  async #load(entry) {
    entry.loading?.abort();
    const loading = new AbortController();
    entry.loading = loading;
    entry.reloadAt = 0;
    const { symbol } = entry.market;
    const [exchanges, tiers, detail] = [this.#exchanges, this.#tiers, entry.detail];
    try {
      const askedAt = performance.now();
      const address = this.#address(entry, tiers.length > 0);
      const same = entry.market.isOf(exchanges) && !tiers.length;
      const [history, columns] = await Promise.all([
        fetchHistory(address, loading.signal),
        same ? null : fetchColumns(symbol, exchanges, loading.signal),
      ]);
      if (loading.signal.aborted) return;
      entry.error = "";
      entry.liquidationsTo = 0;
      if (tiers.length) entry.planes = { address, history }; // kept for the way back to all and again to some
      const taken = tiers.length ? historyOfTiers(history, tiers) : history;
      entry.market.takeHistory(taken, exchanges, tiers, detail !== null);
      entry.columns = columns ?? entry.columns;
      if (columns) entry.market.takeColumns(columns, { asNow: true, askedAt });
    } catch (error) {
      if (loading.signal.aborted) return;
      entry.error = error instanceof Error ? error.message : String(error);
      entry.reloadAt = performance.now() + 5000;
      if (exchanges.length && error instanceof RestError && error.status === 400) {
        const unknown = await unknownExchanges(symbol, exchanges);
        if (unknown.length && exchanges === this.#exchanges) this.#onUnknownExchanges(unknown);
      }
    } finally {
      if (entry.loading === loading) entry.loading = null;
    }
    this.#onLoad(symbol, entry.error);
    if (performance.now() >= this.#besidesAt) void requestLiquidations(entry, this.#window, this.interval);
  }

  #runTasks() {
    const now = performance.now();
    if (this.#hiddenAt && !this.#paused && now - this.#hiddenAt > HIDDEN_MS) {
      if (this.#awakeWhile()) this.#setInterval(BACKGROUND_INTERVAL_S);
      else this.#pause();
    }
    if (this.#paused) return;
    for (const entry of this.#loaded.values()) {
      const due = entry.reloadAt && now > entry.reloadAt && !entry.loading;
      if (due && this.#schedule.due(`load ${entry.market.symbol}`, RELOAD_MS)) void this.#load(entry);
      else if (now >= this.#besidesAt && !entry.loading) {
        if (refine(entry, this.#pricesInSight(entry.market.symbol))) void this.#load(entry);
      }
      if (entry.appended && now - entry.klinesAt > KLINES_MS) void requestCandles(entry, this.interval);
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
      for (const entry of this.#loaded.values()) void requestLiquidations(entry, this.#window, this.interval);
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
