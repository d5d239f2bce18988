// @ts-check
/**
 * From USD to colour, holding still: a table over the ladder's rungs, square root up to the 99.5th
 * percentile of what is in sight, changed only when that is off by more than 15 %.
 * @module
 */

import { RUNG_USD, RUNGS, rungOf } from "../data/ladder.js";

/** @typedef {"sqrt" | "linear" | "log" | "rank"} ScaleName */

export const FULL_AT_QUANTILE = 0.995;
const TOLERANCE = 0.15;
/** Colours fade in from the background over this share of the scale, so an empty map is the page itself. */
const FADE_IN = 0.16;

/**
 * @param {Uint32Array} counts of cells per rung @param {number} quantile of the non-zero ones
 * @returns {number} USD; 0 when nothing stands
 */
export function quantileUsd(counts, quantile) {
  let total = 0;
  for (let rung = 1; rung < RUNGS; rung++) total += counts[rung];
  let left = total * (1 - quantile);
  for (let rung = RUNGS - 1; rung > 0; rung--) {
    left -= counts[rung];
    if (left < 0) return RUNG_USD[rung];
  }
  return 0;
}

/** @param {number} held @param {number} wanted @returns {boolean} whether the held figure still serves */
export function holds(held, wanted) {
  return held > 0 && Math.abs(wanted / held - 1) <= TOLERANCE;
}

/**
 * The share of the palette, 0..1, per rung; -1 where nothing is drawn.
 * @param {object} options
 * @param {ScaleName} options.scale
 * @param {number} options.low USD below which nothing is drawn
 * @param {number} options.high USD at which the colour is full
 * @param {Uint32Array} [options.counts] cells per rung, for rank
 * @returns {Float64Array}
 */
export function shares({ scale, low, high, counts }) {
  const out = new Float64Array(RUNGS).fill(-1);
  const first = Math.max(1, rungOf(low));
  const full = Math.max(high, RUNG_USD[1]);
  const curve = curveOf(scale, Math.max(low, RUNG_USD[1]), full, counts);
  for (let rung = first; rung < RUNGS; rung++) {
    if (RUNG_USD[rung] < low) continue;
    out[rung] = Math.min(1, Math.max(0, curve(rung)));
  }
  return out;
}

/** @param {ScaleName} scale @param {number} low @param {number} high @param {Uint32Array} [counts] @returns {(rung: number) => number} */
function curveOf(scale, low, high, counts) {
  switch (scale) {
    case "linear":
      return (rung) => RUNG_USD[rung] / high;
    case "log":
      return (rung) => Math.log(RUNG_USD[rung] / low) / Math.max(1e-9, Math.log(high / low));
    case "rank":
      return rankCurve(counts ?? new Uint32Array(RUNGS));
    default:
      return (rung) => Math.sqrt(RUNG_USD[rung] / high);
  }
}

/** @param {Uint32Array} counts */
function rankCurve(counts) {
  const below = new Float64Array(RUNGS + 1);
  for (let rung = 1; rung < RUNGS; rung++) below[rung + 1] = below[rung] + counts[rung];
  const total = Math.max(1, below[RUNGS]);
  return (/** @type {number} */ rung) => (below[rung] + counts[rung] / 2) / total;
}

/**
 * @typedef {object} Look
 * @property {Uint8Array} palette 256 r, g, b
 * @property {boolean} reversed dark means much (light theme)
 * @property {boolean} grey without colour: the data is stale
 */

/**
 * The colour of each rung as a little-endian RGBA word, as ImageData holds it; 0 is transparent.
 * @param {Float64Array} share of each rung @param {Look} look @returns {Uint32Array}
 */
export function colourTable(share, look) {
  const table = new Uint32Array(RUNGS);
  for (let rung = 0; rung < RUNGS; rung++) {
    if (share[rung] >= 0) table[rung] = colourOf(share[rung], look);
  }
  return table;
}

/** @param {number} share 0..1 @param {Look} look @returns {number} RGBA word */
export function colourOf(share, { palette, reversed, grey }) {
  const at = 3 * Math.round(255 * (reversed ? 1 - share : share));
  let [r, g, b] = [palette[at], palette[at + 1], palette[at + 2]];
  if (grey) r = g = b = Math.round(0.299 * r + 0.587 * g + 0.114 * b);
  const alpha = Math.round(255 * Math.min(1, share / FADE_IN));
  return ((alpha << 24) | (b << 16) | (g << 8) | r) >>> 0;
}
