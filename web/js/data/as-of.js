// @ts-check
/**
 * What a map showed at a time gone by: a column of its history as a state like that of now.
 * @module
 */

import { DEQUANTISED } from "./quantise.js";

/** @typedef {import("./market.js").Now} Now */

/**
 * The column last asked for: a figure is drawn many times of one.
 * @type {{ matrix: object | null, column: number, state: Now | null }}
 */
let held = { matrix: null, column: -1, state: null };

/**
 * @param {import("./market.js").Market} market
 * @returns {Now | null} as it stood at the end of the column looked back to; null: none is, or it is empty
 */
export function stateAt({ matrix, header, now, at }) {
  const column = at === null ? -1 : (matrix?.columnAt(at) ?? -1);
  const [cells, candle] = [matrix?.column(column), matrix?.candle(column)];
  if (!matrix || !cells || !candle) return null;
  const isNewest = column === matrix.end - 1; // which changes with every message
  if (held.matrix === matrix && held.column === column && !isNewest) return held.state;
  const usd = (/** @type {Uint16Array} */ rungs) => Float64Array.from(rungs, (rung) => DEQUANTISED[rung]);
  const state = {
    timeMs: matrix.timeOf(column) + matrix.intervalMs,
    epoch: header?.epoch ?? 0,
    seq: header?.seq ?? 0,
    stale: false,
    source: header?.source ?? "",
    quality: now?.quality ?? [],
    kernel: header?.kernel ?? "",
    price: candle.close,
    grid: { p0: matrix.p0, step: matrix.step, long: usd(cells.long), short: usd(cells.short) },
    receivedAt: 0,
    askedAt: 0,
  };
  held = { matrix, column, state };
  return state;
}
