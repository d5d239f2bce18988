// @ts-check
/**
 * All the page knows of one market: its history as a matrix, the live state, the leverage mix and what was
 * liquidated. It takes in what arrives and reports what changed; it draws nothing.
 * @module
 */

import { stateAt } from "./as-of.js";
import { excess, findClusters } from "./clusters.js";
import { HistoryMatrix } from "./history-matrix.js";
import { gridOfMix, mixOfTiers } from "./leverage-planes.js";
import { keyOf, toLiquidation, toTotal } from "./liquidation-rows.js";
import { fits, liveCandle, liveCells } from "./live-column.js";

/** @typedef {import("../websocket-client.js").Snapshot} Snapshot */
/** @typedef {import("./clusters.js").Cluster} Cluster */
/**
 * @typedef {object} Liquidation
 * @property {number} timeMs
 * @property {string} exchange
 * @property {"long" | "short"} side
 * @property {number} price
 * @property {number} usd
 */
/**
 * @typedef {object} LiquidationTotal of all exchanges shown
 * @property {number} timeMs
 * @property {number} intervalMs
 * @property {number} longUsd
 * @property {number} shortUsd
 */
/**
 * @typedef {object} Mix USD per leverage group and level
 * @property {string[]} groups
 * @property {number[][]} long
 * @property {number[][]} short
 */
/** @typedef {{ p0: number, step: number, long: ArrayLike<number>, short: ArrayLike<number> }} Grid */
/**
 * @typedef {object} Now the newest state, from the socket or from REST
 * @property {number} timeMs
 * @property {number} epoch
 * @property {number} seq
 * @property {boolean} stale
 * @property {string} source
 * @property {string[]} quality
 * @property {string} kernel
 * @property {number} price
 * @property {Grid} grid
 * @property {number} receivedAt performance.now()
 * @property {number} askedAt performance.now() of the request, of a state that came by REST
 */
/**
 * @typedef {"history" | "column" | "appended" | "trimmed" | "now" | "mix" | "liquidations" | "behind"} Change
 */

/** Single liquidations kept; older ones are let go. */
const MOST_LIQUIDATIONS = 20_000;

export class Market {
  /** @type {HistoryMatrix | null} */
  matrix = null;
  /** @type {import("./history-codec.js").HistoryHeader | null} */
  header = null;
  /** The rows of the history of all prices. @type {import("./detail.js").Rows | null} */
  whole = null;
  /** @type {Now | null} */
  now = null;
  /** @type {number | null} the time looked back to, UTC ms; null: now */
  at = null;
  /** @type {Mix | null} of the tiers shown */
  mix = null;
  /** @type {Mix | null} of all tiers */
  wholeMix = null;
  /** @type {{ p0: number, step: number } | null} the grid the mix is on */
  mixGrid = null;
  /** @type {string[]} every exchange of the market, as far as it is known */
  exchanges = [];
  /** @type {string[]} the exchanges that all of this is of; empty: all */
  chosen = [];
  /** @type {number[]} the leverage tiers that the levels are of; empty: all */
  tiers = [];
  /** @type {Liquidation[]} by time */
  liquidations = [];
  /** @type {LiquidationTotal[]} by time */
  totals = [];
  /**
   * Whether the window's liquidations are known: none held means none happened only once they are loaded.
   * @type {"loading" | "loaded" | "failed"}
   */
  liquidationsState = "loading";
  /** @type {import("./rest-client.js").Forecast | null} the newest that was asked for */
  forecast = null;
  /** @type {Set<(change: Change, column: number) => void>} */
  #listeners = new Set();
  #columns = 0;

  /** @param {string} symbol */
  constructor(symbol) {
    this.symbol = symbol;
  }

  /** @param {(change: Change, column: number) => void} listener */
  subscribe(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Whether what is held is of these exchanges. @param {string[]} exchanges */
  isOf(exchanges) {
    return exchanges.join() === this.chosen.join();
  }

  /** How many of a level of all prices one of those shown is. */
  get levelShare() {
    return this.matrix && this.whole ? Math.min(1, this.matrix.step / this.whole.step) : 1;
  }

  /** The state that figures are of: that of now, or of the time looked back to. */
  get shown() {
    return stateAt(this) ?? this.now;
  }

  /** @param {number | null} timeMs UTC; null: now */
  lookBack(timeMs) {
    if (timeMs === this.at) return;
    this.at = timeMs;
    this.#notify("now");
  }

  /** Whether it is of some exchanges or leverages alone, which the socket does not carry. */
  get isPart() {
    return this.chosen.length > 0 || this.tiers.length > 0;
  }

  /**
   * The picture is of these exchanges and leverage tiers from here on: what is known of others is let go.
   * @param {import("./history-codec.js").History} history
   * @param {string[]} [exchanges] empty: all
   * @param {number[]} [tiers] empty: all
   * @param {boolean} [isPart] whether it is of some prices only
   */
  takeHistory(history, exchanges = [], tiers = [], isPart = false) {
    if (!this.isOf(exchanges)) {
      this.now = this.mix = this.wholeMix = this.mixGrid = null;
      this.liquidations = this.totals = [];
      this.liquidationsState = "loading";
    }
    if (tiers.join() !== this.tiers.join()) {
      this.now = null;
      this.mix = this.wholeMix && mixOfTiers(this.wholeMix, tiers);
    }
    this.tiers = tiers;
    this.chosen = exchanges;
    this.header = history.header;
    this.matrix = new HistoryMatrix(history);
    this.matrix.isPart = isPart;
    if (!isPart) this.whole = { step: this.matrix.step, bottom: this.matrix.bottom, top: this.matrix.top };
    this.#columns = history.header.columns;
    if (!exchanges.length) this.exchanges = history.header.exchanges ?? this.exchanges;
    this.#notify("history");
    if (this.now) this.#write(this.now);
  }

  /**
   * What the client hands on is shown: it has seen to the order, and another server's may be an earlier one.
   * @param {Snapshot} snapshot of all exchanges and leverages: the socket carries no others
   */
  takeSnapshot(snapshot) {
    if (this.isPart) return;
    this.#take(nowOf(snapshot));
  }

  /**
   * The state as of a tick, until the next one. Of a state that polling has replaced it is passed over.
   * @param {Snapshot} snapshot of all exchanges
   */
  takeTick(snapshot) {
    if (this.isPart || this.now?.epoch !== snapshot.epoch || this.now.seq !== snapshot.seq) return;
    this.#take(nowOf(snapshot));
  }
  /**
   * The response of GET /api/heatmap/{symbol}?columns=1, of the exchanges that are held.
   * @param {import("./rest-client.js").ColumnsResponse} columns
   * @param {object} options
   * @param {boolean} options.asNow whether it is also the newest state
   * @param {number} [options.askedAt] performance.now() of the request: what was taken since then is newer
   */
  takeColumns(columns, { asNow, askedAt = performance.now() }) {
    const { data, mix } = columns;
    if (columns.all_exchanges?.length) this.exchanges = columns.all_exchanges;
    if (mix) {
      this.wholeMix = mix;
      this.mix = mixOfTiers(mix, this.tiers);
      this.mixGrid = { p0: mix.p0, step: mix.step };
      this.#notify("mix");
    }
    if (!asNow || (this.now && this.now.askedAt > askedAt)) return;
    this.#take({
      timeMs: Date.parse(columns.timestamp),
      epoch: columns.epoch,
      seq: columns.seq,
      stale: Boolean(columns.stale),
      source: columns.source,
      quality: columns.quality ?? [],
      kernel: columns.kernel ?? "",
      price: data.current_price,
      grid: this.tiers.length && this.mix && mix ? gridOfMix(this.mix, mix) : data,
      receivedAt: performance.now(),
      askedAt,
    });
  }

  /**
   * @param {import("./rest-client.js").LiquidationsResponse} response
   * @param {{ whole: boolean }} options whether it is the whole window
   */
  takeLiquidations(response, { whole }) {
    this.liquidationsState = "loaded";
    if (whole) this.liquidations = this.totals = [];
    const known = new Set(this.liquidations.slice(-2000).map(keyOf));
    const fresh = (response.data ?? []).map(toLiquidation).filter((l) => !known.has(keyOf(l)));
    if (fresh.length) {
      this.liquidations = [...this.liquidations, ...fresh]
        .sort((a, b) => a.timeMs - b.timeMs)
        .slice(-MOST_LIQUIDATIONS);
    }
    const totals = new Map(this.totals.map((total) => [total.timeMs, total]));
    for (const total of (response.totals ?? []).map(toTotal)) totals.set(total.timeMs, total);
    this.totals = [...totals.values()].sort((a, b) => a.timeMs - b.timeMs);
    this.#notify("liquidations");
  }

  /** A request for liquidations failed; another one will be made. */
  missLiquidations() {
    if (this.liquidationsState === "loaded") return; // what is held is still right
    this.liquidationsState = "failed";
    this.#notify("liquidations");
  }

  /**
   * A candle as the server keeps it, better than the one built of passing prices.
   * @param {number} timeMs
   * @param {import("./history-matrix.js").Candle} candle
   */
  takeCandle(timeMs, candle) {
    const column = this.matrix?.columnAt(timeMs) ?? -1;
    if (!this.matrix?.holds(column) || this.matrix.timeOf(column) !== timeMs) return;
    this.matrix.setCandle(column, candle);
    this.#notify("column", column);
  }

  /**
   * Clusters on a side, largest first.
   * @param {"long" | "short"} side
   * @param {Now | null} [state] of now by default
   * @returns {Cluster[]}
   */
  clusters(side, state = this.now) {
    if (!state) return [];
    const { grid } = state;
    const both = Float64Array.from(grid.long, (usd, i) => usd + grid.short[i]);
    return findClusters(side, grid[side], grid, excess(both, grid));
  }

  /** @param {Now} now */
  #take(now) {
    this.now = now;
    this.#write(now);
    this.#notify("now");
  }

  /** Puts the newest state into the column its time falls in. @param {Now} now */
  #write(now) {
    const matrix = this.matrix;
    if (!matrix || !(now.timeMs > 0)) return;
    // A column holds what stands at its end: the state at a bar's close belongs to that bar.
    const column = matrix.columnAt(now.timeMs - 1);
    if (column < matrix.end - 1) {
      // A server that started again may be earlier in its market than what is drawn.
      if (column < matrix.end - 2) this.#notify("behind");
      return;
    }
    const appended = column - (matrix.end - 1);
    if (appended > 0) {
      const gone = matrix.extendTo(column, this.#columns);
      if (gone) this.#notify("trimmed", gone);
    }
    const { long, short } = liveCells(now.grid, matrix, column);
    matrix.setColumn(column, long, short);
    matrix.setCandle(column, liveCandle(matrix, column, now.price, appended > 0));
    this.#notify(appended > 0 ? "appended" : "column", column);
    if (appended > 1 || !fits(now.grid, matrix)) this.#notify("behind");
  }

  /**
   * @param {Change} change
   * @param {number} [column]
   */
  #notify(change, column = -1) {
    for (const listener of this.#listeners) listener(change, column);
  }
}

/**
 * @param {Snapshot} snapshot
 * @returns {Now}
 */
function nowOf(snapshot) {
  return {
    timeMs: snapshot.timeMs,
    epoch: snapshot.epoch,
    seq: snapshot.seq,
    stale: snapshot.stale,
    source: snapshot.source,
    quality: snapshot.quality,
    kernel: snapshot.kernel,
    price: snapshot.currentPrice,
    grid: snapshot.levels,
    receivedAt: performance.now(),
    askedAt: performance.now(),
  };
}
