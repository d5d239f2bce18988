// @ts-check
/**
 * Leverage tiers apart: a history, the live levels and the mix of some of them.
 * @module
 */

import { DEQUANTISED, quantise } from "./quantise.js";

/** @typedef {import("./history-codec.js").History} History */
/** @typedef {import("./market.js").Mix} Mix */

/**
 * The history of some tiers, added up.
 * @param {History} planes a history with its tiers apart
 * @param {number[]} tiers empty: all
 * @returns {History}
 */
export function historyOfTiers(planes, tiers) {
  const { header, candles } = planes;
  const { columns, rows, groups = [] } = header;
  const wanted = tiers.length ? tiers : groups.map((_, tier) => tier);
  const side = (/** @type {Uint16Array} */ cells) => {
    const out = new Uint16Array(columns * rows);
    const usd = new Float64Array(rows);
    for (let c = 0; c < columns; c++) {
      usd.fill(0);
      for (const tier of wanted) {
        const at = (c * groups.length + tier) * rows;
        for (let r = 0; r < rows; r++) usd[r] += DEQUANTISED[cells[at + r]];
      }
      for (let r = 0; r < rows; r++) out[c * rows + r] = quantise(usd[r]);
    }
    return out;
  };
  return { header, candles, long: side(planes.long), short: side(planes.short) };
}

/**
 * The mix with the other tiers empty.
 * @param {Mix} mix
 * @param {number[]} tiers empty: all
 * @returns {Mix}
 */
export function mixOfTiers(mix, tiers) {
  if (!tiers.length) return mix;
  const only = (/** @type {number[][]} */ side) =>
    side.map((usd, tier) => (tiers.includes(tier) ? usd : new Array(usd.length).fill(0)));
  return { groups: mix.groups, long: only(mix.long), short: only(mix.short) };
}

/**
 * Levels of all tiers of a mix.
 * @param {Mix} mix
 * @param {{ p0: number, step: number }} grid it is on
 * @returns {import("./market.js").Grid}
 */
export function gridOfMix(mix, { p0, step }) {
  const total = (/** @type {number[][]} */ side) =>
    side[0].map((_, level) => side.reduce((sum, usd) => sum + usd[level], 0));
  return { p0, step, long: total(mix.long), short: total(mix.short) };
}
