// @ts-check
/**
 * The live state as a column of the history's matrix: its grid on the matrix's rows, its price as a candle.
 * @module
 */

import { DEQUANTISED, quantise } from "./quantise.js";

/** @typedef {import("./history-matrix.js").HistoryMatrix} HistoryMatrix */
/** @typedef {import("./market.js").Grid} Grid */
/**
 * @typedef {object} Rows
 * @property {Uint16Array} long
 * @property {Uint16Array} short
 * @property {Float64Array} longUsd
 * @property {Float64Array} shortUsd
 */

/** @type {Rows | null} used for every message, or each would leave 7 kB to collect */
let scratch = null;

/**
 * @param {number} rows
 * @returns {Rows}
 */
function scratchOf(rows) {
  if (scratch?.long.length !== rows) {
    scratch = {
      long: new Uint16Array(rows),
      short: new Uint16Array(rows),
      longUsd: new Float64Array(rows),
      shortUsd: new Float64Array(rows),
    };
  }
  return /** @type {Rows} */ (scratch);
}

/**
 * Whether the live grid fits the matrix's rows.
 * @param {Grid} grid
 * @param {HistoryMatrix} matrix
 * @returns {boolean}
 */
export function fits(grid, matrix) {
  if (matrix.isPart) return true; // which prices it holds goes by what is in sight
  const top = grid.p0 + (grid.long.length - 1) * grid.step;
  const whole = Math.abs(matrix.step / grid.step - Math.round(matrix.step / grid.step)) < 1e-6;
  return (
    whole &&
    grid.p0 > matrix.bottom - 0.05 * (matrix.top - matrix.bottom) &&
    top < matrix.top + 0.05 * (matrix.top - matrix.bottom)
  );
}

/**
 * The candle of a column once the price has passed through.
 * @param {HistoryMatrix} matrix
 * @param {number} column
 * @param {number} price
 * @param {boolean} fresh whether the column begins with it
 * @returns {import("./history-matrix.js").Candle}
 */
export function liveCandle(matrix, column, price, fresh) {
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
 * @param {Grid} grid
 * @param {HistoryMatrix} matrix
 * @param {number} column
 * @returns {{ long: Uint16Array, short: Uint16Array }} quantised USD, lowest row first; overwritten by the
 * next call
 */
export function liveCells(grid, matrix, column) {
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
  if (matrix.step < 0.99 * grid.step) {
    spread(grid.long, grid, long, longUsd, matrix);
    spread(grid.short, grid, short, shortUsd, matrix);
  }
  for (let i = 0; i < rows && matrix.step >= 0.99 * grid.step; i++) {
    const row = matrix.rowAt(grid.p0 + i * grid.step + matrix.step * 1e-6);
    if (row < low || row > high) continue;
    longUsd[row] += grid.long[i];
    shortUsd[row] += grid.short[i];
  }
  for (let row = low; row <= high; row++) {
    long[row] = quantise(longUsd[row]);
    short[row] = quantise(shortUsd[row]);
  }
  return { long, short };
}

/**
 * The levels of a live grid over finer rows: as each level was spread in the column before, else evenly.
 * @param {ArrayLike<number>} usd per level
 * @param {Grid} grid
 * @param {Uint16Array} before quantised USD per row
 * @param {Float64Array} rowsUsd is written
 * @param {HistoryMatrix} matrix
 */
function spread(usd, grid, before, rowsUsd, matrix) {
  for (let i = 0; i < usd.length; i++) {
    const bottom = grid.p0 + (i - 0.5) * grid.step;
    const first = Math.max(0, matrix.rowAt(bottom + 0.5 * matrix.step));
    const last = Math.min(matrix.rows - 1, matrix.rowAt(bottom + grid.step - 0.5 * matrix.step));
    if (!usd[i] || last < first) continue;
    let sum = 0;
    for (let row = first; row <= last; row++) sum += DEQUANTISED[before[row]];
    for (let row = first; row <= last; row++) {
      rowsUsd[row] = usd[i] * (sum ? DEQUANTISED[before[row]] / sum : 1 / (last - first + 1));
    }
  }
}
