// @ts-check
/**
 * Clusters the price has swept: what stood there when it entered, and what was really liquidated on the way
 * through.
 * @module
 */

import { excess, findClusters } from "./clusters.js";
import { DEQUANTISED } from "./quantise.js";

/** @typedef {import("./history-matrix.js").HistoryMatrix} HistoryMatrix */
/**
 * @typedef {object} SweptBand
 * @property {"long" | "short"} side
 * @property {number} low lower edge, USD
 * @property {number} high upper edge, USD
 * @property {number} usd what stood between the edges before the price entered: what was expected
 * @property {number} fromMs when the price entered
 * @property {number} toMs when it was through
 */

/** A column that swept less than this share of its side has swept no cluster. */
const LEAST_SHARE = 0.01;
/** A cluster is swept once no more than this share of it is left. */
const LEFT = 0.2;
/** One the price has not gone through by then is forgotten. */
const DAY_MS = 86_400_000;
/** A band smaller than this beside the largest on its side is left out. */
const BIG_SHARE = 0.12;
const SIDES = /** @type {const} */ (["long", "short"]);

/** Follows one history, column by column; a column that is still forming is looked at once it has closed. */
export class SweptBands {
  #next;
  /** @type {SweptBand[]} entered, and not gone through yet */
  #open = [];
  /** @type {SweptBand[]} */
  #done = [];

  /** @param {HistoryMatrix} matrix */
  constructor(matrix) {
    this.matrix = matrix;
    this.#next = matrix.first + 1;
  }

  /** The big ones, latest first. @returns {SweptBand[]} */
  find() {
    const { matrix } = this;
    for (let c = Math.max(this.#next, matrix.first + 1); c < matrix.end - 1; c++) this.#look(c);
    this.#next = Math.max(this.#next, matrix.end - 1);
    const largest = SIDES.map((side) => Math.max(0, ...this.#done.map((b) => (b.side === side ? b.usd : 0))));
    return this.#done
      .filter(({ side, usd }) => usd >= BIG_SHARE * largest[SIDES.indexOf(side)])
      .sort((a, b) => b.toMs - a.toMs);
  }

  /** @param {number} c */
  #look(c) {
    const { matrix } = this;
    const [before, now] = [matrix.column(c - 1), matrix.column(c)];
    if (!before || !now || !matrix.candle(c) || !matrix.candle(c - 1)) return;
    for (const side of SIDES) if (sweptShare(before[side], now[side]) >= LEAST_SHARE) this.#enter(c, side);
    const atMs = matrix.timeOf(c) + matrix.intervalMs;
    this.#open = this.#open.filter((band) => {
      if (usdBetween(matrix, now[band.side], band) <= LEFT * band.usd) {
        this.#done.push({ ...band, toMs: atMs });
        return false;
      }
      return atMs - band.fromMs < DAY_MS;
    });
  }

  /**
   * Notes the clusters that a column has taken something of.
   * @param {number} c
   * @param {"long" | "short"} side
   */
  #enter(c, side) {
    const { matrix } = this;
    const [before, now] = [matrix.column(c - 1), matrix.column(c)];
    if (!before || !now) return;
    const both = Float64Array.from(before.long, (r, i) => DEQUANTISED[r] + DEQUANTISED[before.short[i]]);
    const usd = Float64Array.from(before[side], (rung) => DEQUANTISED[rung]);
    for (const cluster of findClusters(side, usd, matrix, excess(both, matrix))) {
      const { low, high, usd: stood } = cluster;
      if (usdBetween(matrix, now[side], cluster) > (1 - LEFT) * stood) continue;
      if (this.#open.some((band) => band.side === side && band.low < high && band.high > low)) continue;
      this.#open.push({ side, low, high, usd: stood, fromMs: matrix.timeOf(c), toMs: 0 });
    }
  }
}

/**
 * Of what stood, the share whose levels are empty now.
 * @param {Uint16Array} before
 * @param {Uint16Array} now
 */
function sweptShare(before, now) {
  let [all, gone] = [0, 0];
  for (let r = 0; r < before.length; r++) {
    all += DEQUANTISED[before[r]];
    if (!now[r]) gone += DEQUANTISED[before[r]];
  }
  return all ? gone / all : 0;
}

/**
 * @param {HistoryMatrix} matrix
 * @param {Uint16Array} levels
 * @param {{ low: number, high: number }} edges
 */
function usdBetween(matrix, levels, { low, high }) {
  let usd = 0;
  const last = Math.min(levels.length - 1, matrix.rowAt(high - matrix.step / 2));
  const first = Math.max(0, matrix.rowAt(low + matrix.step / 2));
  for (let r = first; r <= last; r++) usd += DEQUANTISED[levels[r]];
  return usd;
}

/**
 * What single liquidations say of a band; null where they do not reach as far back, or there are totals only.
 * @param {SweptBand} band
 * @param {import("./market.js").Liquidation[]} events by time
 * @param {number} step price step of the levels
 * @returns {number | null} USD
 */
export function liquidatedIn({ side, low, high, fromMs, toMs }, events, step) {
  if (!events.length || events[0].timeMs > fromMs) return null;
  return events
    .filter((each) => each.side === side && each.timeMs >= fromMs && each.timeMs < toMs)
    .filter(({ price }) => price >= low - step / 2 && price <= high + step / 2)
    .reduce((sum, { usd }) => sum + usd, 0);
}
