// @ts-check
/**
 * From USD to colour, holding still: a table over the quantised values, square root up to the 99.5th
 * percentile of what is in sight, changed only when that is off by more than 15 %.
 * @module
 */

import { DEQUANTISED, INDEX_COUNT, quantise } from "../data/quantise.js";

/** @typedef {"sqrt" | "linear" | "log" | "rank"} ScaleName */

export const FULL_AT_QUANTILE = 0.995;
const TOLERANCE = 0.15;
/** Colours fade in from the background over this share of the scale, so an empty map is the page itself. */
const FADE_IN = 0.16;

/**
 * @param {Uint32Array} counts of cells per index
 * @param {number} quantile of the non-zero ones
 * @returns {number} USD; 0 when nothing stands
 */
export function quantileUsd(counts, quantile) {
  let total = 0;
  for (let index = 1; index < INDEX_COUNT; index++) total += counts[index];
  let left = total * (1 - quantile);
  for (let index = INDEX_COUNT - 1; index > 0; index--) {
    left -= counts[index];
    if (left < 0) return DEQUANTISED[index];
  }
  return 0;
}

/**
 * @param {number} held
 * @param {number} wanted
 * @returns {boolean} whether the held figure still serves
 */
export function holds(held, wanted) {
  return held > 0 && Math.abs(wanted / held - 1) <= TOLERANCE;
}

/**
 * The share of the palette, 0..1, per index; -1 where nothing is drawn.
 * @param {object} options
 * @param {ScaleName} options.scale
 * @param {number} options.low USD below which nothing is drawn
 * @param {number} options.high USD at which the colour is full
 * @param {Uint32Array} [options.counts] cells per index, for rank
 * @returns {Float64Array}
 */
export function shares({ scale, low, high, counts }) {
  const out = new Float64Array(INDEX_COUNT).fill(-1);
  const first = Math.max(1, quantise(low));
  const full = Math.max(high, DEQUANTISED[1]);
  const curve = curveOf(scale, Math.max(low, DEQUANTISED[1]), full, counts);
  for (let index = first; index < INDEX_COUNT; index++) {
    if (DEQUANTISED[index] < low) continue;
    out[index] = Math.min(1, Math.max(0, curve(index)));
  }
  return out;
}

/**
 * @param {ScaleName} scale
 * @param {number} low
 * @param {number} high
 * @param {Uint32Array} [counts]
 * @returns {(index: number) => number}
 */
function curveOf(scale, low, high, counts) {
  switch (scale) {
    case "linear":
      return (index) => DEQUANTISED[index] / high;
    case "log":
      return (index) => Math.log(DEQUANTISED[index] / low) / Math.max(1e-9, Math.log(high / low));
    case "rank":
      return rankCurve(counts ?? new Uint32Array(INDEX_COUNT));
    default:
      return (index) => Math.sqrt(DEQUANTISED[index] / high);
  }
}

/** @param {Uint32Array} counts */
function rankCurve(counts) {
  const below = new Float64Array(INDEX_COUNT + 1);
  for (let index = 1; index < INDEX_COUNT; index++) below[index + 1] = below[index] + counts[index];
  const total = Math.max(1, below[INDEX_COUNT]);
  return (/** @type {number} */ index) => (below[index] + counts[index] / 2) / total;
}

/**
 * @typedef {object} Look
 * @property {Uint8Array} palette 256 r, g, b
 * @property {boolean} reversed dark means much (light theme)
 * @property {boolean} grey without colour: the data is stale
 */

/**
 * The colour of each index as a little-endian RGBA word, as ImageData holds it; 0 is transparent.
 * @param {Float64Array} share of each index
 * @param {Look} look
 * @returns {Uint32Array}
 */
export function colourTable(share, look) {
  const table = new Uint32Array(INDEX_COUNT);
  for (let index = 0; index < INDEX_COUNT; index++) {
    if (share[index] >= 0) table[index] = colourOf(share[index], look);
  }
  return table;
}

/**
 * A colour as a style sheet writes it.
 * @param {number} word of colourOf()
 * @returns {string}
 */
export function cssColour(word) {
  return `rgba(${word & 255},${(word >>> 8) & 255},${(word >>> 16) & 255},${(word >>> 24) / 255})`;
}

/**
 * @param {number} share 0..1
 * @param {Look} look
 * @returns {number} RGBA word
 */
export function colourOf(share, { palette, reversed, grey }) {
  const at = 3 * Math.round(255 * (reversed ? 1 - share : share));
  let [r, g, b] = [palette[at], palette[at + 1], palette[at + 2]];
  if (grey) r = g = b = Math.round(0.299 * r + 0.587 * g + 0.114 * b);
  const alpha = Math.round(255 * Math.min(1, share / FADE_IN));
  return ((alpha << 24) | (b << 16) | (g << 8) | r) >>> 0;
}
