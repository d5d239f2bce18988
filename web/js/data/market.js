// @ts-check
/**
 * All the page knows of one market: its history as a matrix, the live state, the leverage mix and what was
 * really liquidated. It takes in what arrives and says what changed; it draws nothing.
 * @module
 */

import { excess, findClusters } from "./clusters.js";
import { rungOf } from "./ladder.js";
import { Matrix } from "./matrix.js";

/** @typedef {import("../websocket-client.js").Snapshot} Snapshot */
/** @typedef {import("./clusters.js").Cluster} Cluster */
/** @typedef {{ timeMs: number, exchange: string, side: "long" | "short", price: number, usd: number }} Liquidation */
/** @typedef {{ timeMs: number, intervalMs: number, longUsd: number, shortUsd: number }} LiquidationTotal of all venues shown */
/** @typedef {{ groups: string[], long: number[][], short: number[][] }} Mix USD per leverage group and level */
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
 */
/** @typedef {"history" | "column" | "appended" | "trimmed" | "now" | "mix" | "liquidations" | "behind"} Change */

/** Single liquidations kept; older ones are let go. */
const MOST_LIQUIDATIONS = 20_000;

export class Market {
  /** @type {Matrix | null} */
  matrix = null;
  /** @type {import("./history-codec.js").HistoryHeader | null} */
  header = null;
  /** @type {Now | null} */
  now = null;
  /** @type {Mix | null} */
  mix = null;
  /** @type {{ p0: number, step: number } | null} the grid the mix is on */
  mixGrid = null;
  /** @type {string[]} every venue of the market, as far as it is known */
  venues = [];
  /** @type {string[]} the venues that all of this is of; empty: all */
  chosen = [];
  /** @type {Liquidation[]} by time */
  liquidations = [];
  /** @type {LiquidationTotal[]} by time */
  totals = [];
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

  /** Whether what was asked for with these venues is of what is held. @param {string[]} venues */
  isOf(venues) {
    return venues.join() === this.chosen.join();
  }

  /**
   * The picture is of these venues from here on: what is known of others is let go.
   * @param {import("./history-codec.js").History} history @param {string[]} [venues] empty: all
   */
  takeHistory(history, venues = []) {
    if (!this.isOf(venues)) {
      this.now = this.mix = this.mixGrid = null;
      this.liquidations = this.totals = [];
    }
    this.chosen = venues;
    this.header = history.header;
    this.matrix = new Matrix(history);
    this.#columns = history.header.columns;
    if (!venues.length) this.venues = history.header.exchanges ?? this.venues;
    this.#say("history");
    if (this.now) this.#write(this.now);
  }

  /** @param {Snapshot} snapshot of all venues: the socket knows no others */
  takeSnapshot(snapshot) {
    if (this.chosen.length) return;
    this.#take({
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
    });
  }

  /**
   * The answer of GET /api/heatmap/{symbol}?columns=1, of the venues that are held.
   * @param {any} columns @param {{ asNow: boolean }} options whether it is also the newest state
   */
  takeColumns(columns, { asNow }) {
    const { data, mix } = columns;
    if (columns.all_exchanges?.length) this.venues = columns.all_exchanges;
    if (mix) {
      this.mix = mix;
      this.mixGrid = { p0: mix.p0, step: mix.step };
      this.#say("mix");
    }
    if (!asNow) return;
    this.#take({
      timeMs: Date.parse(columns.timestamp),
      epoch: columns.epoch,
      seq: columns.seq,
      stale: Boolean(columns.stale),
      source: columns.source,
      quality: columns.quality ?? [],
      kernel: columns.kernel ?? "",
      price: data.current_price,
      grid: data,
      receivedAt: performance.now(),
    });
  }

  /** @param {any} answer of GET /api/liquidations/{symbol} @param {{ whole: boolean }} options whether it is the whole window */
  takeLiquidations(answer, { whole }) {
    if (whole) this.liquidations = this.totals = [];
    const known = new Set(this.liquidations.slice(-2000).map(keyOf));
    const fresh = (answer.data ?? []).map(toLiquidation).filter((/** @type {Liquidation} */ l) => !known.has(keyOf(l)));
    if (fresh.length) {
      this.liquidations = [...this.liquidations, ...fresh].sort((a, b) => a.timeMs - b.timeMs).slice(-MOST_LIQUIDATIONS);
    }
    const totals = new Map(this.totals.map((total) => [total.timeMs, total]));
    for (const total of (answer.totals ?? []).map(toTotal)) totals.set(total.timeMs, total);
    this.totals = [...totals.values()].sort((a, b) => a.timeMs - b.timeMs);
    this.#say("liquidations");
  }

  /**
   * A candle as the server keeps it, better than the one built of passing prices.
   * @param {number} timeMs @param {import("./matrix.js").Candle} candle
   */
  takeCandle(timeMs, candle) {
    const column = this.matrix?.columnAt(timeMs) ?? -1;
    if (!this.matrix?.holds(column) || this.matrix.timeOf(column) !== timeMs) return;
    this.matrix.setCandle(column, candle);
    this.#say("column", column);
  }

  /** Clusters of now on a side, largest first. @param {"long" | "short"} side @returns {Cluster[]} */
  clusters(side) {
    if (!this.now) return [];
    const { grid } = this.now;
    const both = Float64Array.from(grid.long, (usd, i) => usd + grid.short[i]);
    return findClusters(side, grid[side], grid, excess(both, grid));
  }

  /** @param {Now} now */
  #take(now) {
    const held = this.now;
    if (held && (now.epoch < held.epoch || (now.epoch === held.epoch && now.seq < held.seq))) return;
    this.now = now;
    this.#write(now);
    this.#say("now");
  }

  /** Puts the newest state into the column its time falls in. @param {Now} now */
  #write(now) {
    const matrix = this.matrix;
    if (!matrix || !(now.timeMs > 0)) return;
    // A column holds what stands at its end: the state at a bar's close belongs to that bar.
    const column = matrix.columnAt(now.timeMs - 1);
    if (column < matrix.end - 1) {
      // A server that started again may be earlier in its market than what is drawn.
      if (column < matrix.end - 2) this.#say("behind");
      return;
    }
    const appended = column - (matrix.end - 1);
    if (appended > 0) {
      const gone = matrix.extendTo(column, this.#columns);
      if (gone) this.#say("trimmed", gone);
    }
    const { long, short } = this.#rows(now.grid, matrix, column);
    matrix.setColumn(column, long, short);
    matrix.setCandle(column, this.#candle(matrix, column, now.price, appended > 0));
    this.#say(appended > 0 ? "appended" : "column", column);
    if (appended > 1 || !fits(now.grid, matrix)) this.#say("behind");
  }

  /** @param {Matrix} matrix @param {number} column @param {number} price @param {boolean} fresh */
  #candle(matrix, column, price, fresh) {
    const candle = fresh ? null : matrix.candle(column);
    const open = candle?.open ?? matrix.candle(column - 1)?.close ?? price;
    return {
      open,
      high: Math.max(candle?.high ?? open, price),
      low: Math.min(candle?.low ?? open, price),
      close: price,
    };
  }

  /**
   * The live grid on the matrix's rows; what lies beyond the live grid stays as it was.
   * @param {Grid} grid @param {Matrix} matrix @param {number} column
   */
  #rows(grid, matrix, column) {
    const { long, short, longUsd, shortUsd } = scratchOf(matrix.rows);
    const before = matrix.column(column - 1);
    if (before) {
      long.set(before.long);
      short.set(before.short);
    } else {
      long.fill(0);
      short.fill(0);
    }
    const rows = grid.long.length;
    const low = Math.max(0, matrix.rowAt(grid.p0 + matrix.step * 1e-6));
    const high = Math.min(matrix.rows - 1, matrix.rowAt(grid.p0 + (rows - 1) * grid.step + matrix.step * 1e-6));
    longUsd.fill(0);
    shortUsd.fill(0);
    for (let i = 0; i < rows; i++) {
      const row = matrix.rowAt(grid.p0 + i * grid.step + matrix.step * 1e-6);
      if (row < low || row > high) continue;
      longUsd[row] += grid.long[i];
      shortUsd[row] += grid.short[i];
    }
    for (let row = low; row <= high; row++) {
      long[row] = rungOf(longUsd[row]);
      short[row] = rungOf(shortUsd[row]);
    }
    return { long, short };
  }

  /** @param {Change} change @param {number} [column] */
  #say(change, column = -1) {
    for (const listener of this.#listeners) listener(change, column);
  }
}

/** @typedef {{ long: Uint16Array, short: Uint16Array, longUsd: Float64Array, shortUsd: Float64Array }} Rows */

/** @type {Rows | null} used for every message, or each would leave 7 kB to collect */
let scratch = null;

/** @param {number} rows @returns {Rows} */
function scratchOf(rows) {
  if (scratch?.long.length !== rows) {
    scratch = { long: new Uint16Array(rows), short: new Uint16Array(rows), longUsd: new Float64Array(rows), shortUsd: new Float64Array(rows) };
  }
  return /** @type {Rows} */ (scratch);
}

/** Whether the live grid can be said on the matrix's rows. @param {Grid} grid @param {Matrix} matrix */
function fits(grid, matrix) {
  const top = grid.p0 + (grid.long.length - 1) * grid.step;
  const whole = Math.abs(matrix.step / grid.step - Math.round(matrix.step / grid.step)) < 1e-6;
  return whole && grid.p0 > matrix.bottom - 0.05 * (matrix.top - matrix.bottom) && top < matrix.top + 0.05 * (matrix.top - matrix.bottom);
}

/** @param {Liquidation} l */
function keyOf(l) {
  return `${l.timeMs}|${l.exchange}|${l.side}|${l.price}|${l.usd}`;
}

/** @param {any} raw @returns {Liquidation} */
function toLiquidation(raw) {
  return {
    timeMs: raw.timestamp,
    exchange: String(raw.exchange),
    side: raw.side === "long" ? "long" : "short",
    price: raw.price,
    usd: raw.notional_usd,
  };
}

/** @param {any} raw @returns {LiquidationTotal} */
function toTotal(raw) {
  return {
    timeMs: raw.timestamp,
    intervalMs: raw.interval_ms,
    longUsd: raw.long_usd,
    shortUsd: raw.short_usd,
  };
}
