// @ts-check
/**
 * What stands out: the density minus its local mean over 2 % of price to either side. Raw density drowns
 * the bands in a glow that grows with time; the excess shows them, and the list beside the map names them.
 * Also the next big cluster, the imbalance and the sum to a price. liqstream/heatmap/clusters.py has the same
 * in Python; tests/cluster_cases.json holds both.
 * @module
 */

import { DEQUANTISED, quantise } from "./quantise.js";

const NEIGHBOURHOOD = 0.02;
/** A cluster smaller than this beside the largest on the way is not a big one. */
export const BIG_SHARE = 0.12;

/** @typedef {{ p0: number, step: number, long: ArrayLike<number>, short: ArrayLike<number> }} LevelColumns */

/**
 * @typedef {object} Cluster
 * @property {"long" | "short"} side
 * @property {number} price of its peak
 * @property {number} low lower edge, USD
 * @property {number} high upper edge, USD
 * @property {number} usd what stands between its edges
 */

/**
 * Excess over the surroundings per row, USD, floored at zero. The mean is over the rows within 2 % of the
 * row's price that are on the grid.
 * @param {ArrayLike<number>} usd by ascending price
 * @param {{ p0: number, step: number }} grid
 * @param {Float64Array} [out]
 * @returns {Float64Array}
 */
export function excess(usd, { p0, step }, out = new Float64Array(usd.length)) {
  const rows = usd.length;
  const sums = scratch(rows + 1);
  sums[0] = 0;
  for (let r = 0; r < rows; r++) sums[r + 1] = sums[r] + usd[r];
  const perRow = NEIGHBOURHOOD / step;
  for (let r = 0; r < rows; r++) {
    const reach = Math.max(1, Math.round((p0 + r * step) * perRow));
    const from = r < reach ? 0 : r - reach;
    const to = r + reach + 1 > rows ? rows : r + reach + 1;
    const over = usd[r] - (sums[to] - sums[from]) / (to - from);
    out[r] = over > 0 ? over : 0;
  }
  return out;
}

let shared = new Float64Array(0);
/** @param {number} length */
function scratch(length) {
  if (shared.length < length) shared = new Float64Array(length);
  return shared;
}

/**
 * The same for a column of quantised USD, quantised again, of the sides asked for.
 * @param {Uint16Array} long
 * @param {Uint16Array} short
 * @param {{ p0: number, step: number }} grid
 * @param {"both" | "long" | "short"} side
 * @param {Uint16Array} out
 */
export function quantisedExcess(long, short, grid, side, out) {
  const rows = long.length;
  if (usdRow.length < rows) {
    usdRow = new Float64Array(rows);
    overRow = new Float64Array(rows);
  }
  const usd = usdRow.length === rows ? usdRow : usdRow.subarray(0, rows);
  for (let r = 0; r < rows; r++) usd[r] = DEQUANTISED[long[r]] + DEQUANTISED[short[r]];
  const over = excess(usd, grid, overRow.length === rows ? overRow : overRow.subarray(0, rows));
  for (let r = 0; r < rows; r++) {
    const hidden = (side === "long" && long[r] === 0) || (side === "short" && short[r] === 0);
    out[r] = hidden ? 0 : quantise(over[r]);
  }
}
let usdRow = new Float64Array(0);
let overRow = new Float64Array(0);

/**
 * The clusters of one side: runs of rows that stand out by at least half of their peak's excess.
 * @param {"long" | "short"} side
 * @param {ArrayLike<number>} usd of that side, by ascending price
 * @param {{ p0: number, step: number }} grid
 * @param {Float64Array} over excess of both sides together
 * @returns {Cluster[]} largest first
 */
export function findClusters(side, usd, grid, over) {
  /** @type {Cluster[]} */
  const found = [];
  const taken = new Uint8Array(usd.length);
  const order = [...over.keys()].filter((r) => over[r] > 0 && usd[r] > 0).sort((a, b) => over[b] - over[a]);
  const floor = order.length ? over[order[0]] * 0.1 : 0;
  for (const peak of order) {
    if (over[peak] < floor) break;
    if (taken[peak]) continue;
    let [low, high, sum] = [peak, peak, usd[peak]];
    const belongs = (/** @type {number} */ r) => usd[r] > 0 && !taken[r] && over[r] >= over[peak] / 2;
    while (low > 0 && belongs(low - 1)) sum += usd[--low];
    while (high < usd.length - 1 && belongs(high + 1)) sum += usd[++high];
    // The shoulders belong to this peak too: without them each would be a cluster of its own.
    let [from, to] = [low, high];
    while (from > 0 && over[from - 1] > 0 && over[from - 1] <= over[from]) from--;
    while (to < usd.length - 1 && over[to + 1] > 0 && over[to + 1] <= over[to]) to++;
    taken.fill(1, from, to + 1);
    const { p0, step } = grid;
    found.push({
      side,
      price: p0 + peak * step,
      low: p0 + (low - 0.5) * step,
      high: p0 + (high + 0.5) * step,
      usd: sum,
    });
  }
  return found.sort((a, b) => b.usd - a.usd);
}

/**
 * The first big cluster on the way: shorts above the price, longs below it. A big one has at least 12 % of
 * the largest on the way.
 * @param {Cluster[]} clusters of one side
 * @param {number} price
 * @returns {Cluster | undefined}
 */
export function nextBig(clusters, price) {
  const onTheWay = clusters.filter(({ side, price: at }) => (side === "short" ? at > price : at < price));
  const least = BIG_SHARE * Math.max(0, ...onTheWay.map(({ usd }) => usd));
  const away = (/** @type {Cluster} */ cluster) => Math.abs(cluster.price - price);
  return onTheWay.filter(({ usd }) => usd >= least).sort((a, b) => away(a) - away(b))[0];
}

/**
 * (shorts above - longs below) / (shorts above + longs below), of the levels within a fraction of the price.
 * The level the price lies in counts on both sides.
 * @param {LevelColumns} levels
 * @param {number} price
 * @param {number} within
 * @returns {number | null} null where nothing stands
 */
export function imbalance({ p0, step, long, short }, price, within) {
  const here = rowOf(price, p0, step);
  let [above, below] = [0, 0];
  for (let r = 0; r < long.length; r++) {
    const at = p0 + r * step;
    if (r >= here && at <= price * (1 + within)) above += short[r];
    if (r <= here && at >= price * (1 - within)) below += long[r];
  }
  return above + below > 0 ? (above - below) / (above + below) : null;
}

/**
 * USD of the longs from the price down, or of the shorts from the price up, to another price. The levels the
 * two prices lie in count whole.
 * @param {LevelColumns} levels
 * @param {number} price
 * @param {number} to
 * @returns {{ usd: number, isBeyond: boolean }} `isBeyond`: the map ends before it, and the sum with the map
 */
export function sumToPrice({ p0, step, long, short }, price, to) {
  const [here, there] = [rowOf(price, p0, step), rowOf(to, p0, step)];
  const side = to >= price ? short : long;
  const last = Math.min(side.length - 1, Math.max(here, there));
  let usd = 0;
  for (let r = Math.max(0, Math.min(here, there)); r <= last; r++) usd += side[r];
  return { usd, isBeyond: there < 0 || there >= side.length };
}

/**
 * The row whose level a price lies in; beyond the map a row there would be.
 * @param {number} price
 * @param {number} p0
 * @param {number} step
 */
function rowOf(price, p0, step) {
  return Math.floor((price - p0) / step + 0.5);
}
