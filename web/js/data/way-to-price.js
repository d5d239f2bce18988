// @ts-check
/**
 * What would be liquidated on the way from the price now to another one, and the sentence that says so.
 * @module
 */

import { sumToPrice } from "./clusters.js";
import { price as priceText, signedPercent, stepDecimals, usd } from "./format.js";

/** @typedef {import("./market.js").Market} Market */
/**
 * @typedef {object} Way
 * @property {number} to the price asked about
 * @property {number} share of the price now that it is away, negative below
 * @property {"long" | "short"} side that is liquidated on the way
 * @property {number} usd expected; where the map ends before it, up to there
 * @property {boolean} isBeyond whether the map ends before it
 * @property {import("./clusters.js").Cluster[]} clusters on the way, largest first
 * @property {number} step of the levels
 */

/**
 * @param {Market} market
 * @param {number} to
 * @returns {Way | null} null while nothing is known of the market
 */
export function wayTo(market, to) {
  const { shown: now } = market;
  if (!now) return null;
  const { price, grid } = now;
  const side = to >= price ? "short" : "long";
  // A cluster is on the way once its peak's level is, which counts whole.
  const half = grid.step / 2;
  const isOnTheWay = (/** @type {import("./clusters.js").Cluster} */ { price: at }) =>
    side === "short" ? at > price && at <= to + half : at < price && at >= to - half;
  const clusters = market.clusters(side, now).filter(isOnTheWay);
  return { to, share: to / price - 1, side, ...sumToPrice(grid, price, to), clusters, step: grid.step };
}

/**
 * The sentence: to 103,500 (−1.80 %): $7.40M longs, 6 clusters, largest 103,500.
 * @param {Way} way
 * @returns {string}
 */
export function wayText({ to, share, side, usd: amount, isBeyond, clusters, step }) {
  const [largest, ...others] = clusters;
  const at = largest && priceText(largest.price, stepDecimals(step));
  const parts = [
    `${isBeyond ? "beyond the range, up to its end " : ""}${usd(amount)} ${side}s`,
    !largest && "no cluster",
    largest && (others.length ? `${clusters.length} clusters, largest ${at}` : `1 cluster at ${at}`),
  ];
  return `to ${targetText(to, step)} (${signedPercent(share)}): ${parts.filter(Boolean).join(", ")}`;
}

/**
 * A price one asks about, to a tenth of a level.
 * @param {number} price
 * @param {number} step of the levels
 */
export function roundedTarget(price, step) {
  const tenth = step / 10;
  return Number((Math.round(price / tenth) * tenth).toPrecision(8));
}

/**
 * @param {number} price
 * @param {number} step of the levels
 */
export function targetText(price, step) {
  return priceText(price, stepDecimals(step / 10));
}
