// @ts-check
/**
 * Reads LQH1, the compact form of the time x price matrix: quantised USD and candles as byte planes of
 * differences in time (docs/websocket_api.md, history).
 * @module
 */

/**
 * @typedef {object} HistoryHeader
 * @property {string} symbol
 * @property {number} interval_ms
 * @property {number} t0 open time of column 0, UTC ms
 * @property {number} columns
 * @property {number} rows
 * @property {number} p0 price of row 0 (the cell's centre)
 * @property {number} step
 * @property {number} tick price step of the candles
 * @property {[number, number][]} gaps first column and count
 * @property {number} epoch
 * @property {number} seq
 * @property {string} source
 * @property {boolean} stale
 * @property {string[]} quality
 * @property {string} kernel
 * @property {string[]} exchanges
 * @property {string[]} [groups] leverage tiers kept apart: cells at (column * groups + group) * rows + row
 * @property {boolean} [partial] whether the last column is still forming
 * @property {boolean} [signed] whether one plane has both sides, shorts as negative
 */
/**
 * @typedef {object} Candles prices in USD, one per column; NaN in a gap
 * @property {Float64Array} open
 * @property {Float64Array} high
 * @property {Float64Array} low
 * @property {Float64Array} close
 */
/**
 * @typedef {object} History cells at column * rows + row
 * @property {HistoryHeader} header
 * @property {Uint16Array} long
 * @property {Uint16Array} short
 * @property {Candles} candles
 */

const MAGIC = 0x3148514c; // "LQH1", little endian

/**
 * @param {ArrayBuffer} buffer
 * @returns {History} Throws when it is no LQH1 or is cut short.
 */
export function decodeHistory(buffer) {
  if (buffer.byteLength < 8) throw new Error("history: cut short");
  const view = new DataView(buffer);
  if (view.getUint32(0, true) !== MAGIC) throw new Error("history: not LQH1");
  const headerBytes = view.getUint32(4, true);
  /** @type {HistoryHeader} */
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, headerBytes)));
  const rows = header.rows * (header.groups?.length ?? 1);
  const cells = header.columns * rows;
  const planes = new Uint8Array(buffer, 8 + headerBytes);
  const at = planes.length - 16 * header.columns; // of the candles, the last part
  if (at < (header.signed ? 1 : 4) * cells) throw new Error("history: cut short");
  const sides = header.signed
    ? bothSides(planes.subarray(0, at), cells, rows)
    : {
        long: quantised(planes, 0, header.columns, rows),
        short: quantised(planes, 2 * cells, header.columns, rows),
      };
  return { header, ...sides, candles: candles(planes, at, header) };
}

/**
 * @param {Uint8Array} plane a byte per cell, and two behind them for each that is 255
 * @param {number} cells
 * @param {number} rows of a column, of all groups
 */
function bothSides(plane, cells, rows) {
  const [long, short] = [new Uint16Array(cells), new Uint16Array(cells)];
  let at = cells;
  for (let i = 0; i < cells; i++) {
    let zigzag = plane[i];
    if (zigzag === 255) zigzag = plane[at++] | (plane[at++] << 8);
    const step = ((zigzag >>> 1) ^ -(zigzag & 1)) + (i < rows ? 0 : long[i - rows] - short[i - rows]);
    if (step > 0) long[i] = step;
    else short[i] = -step;
  }
  if (at !== plane.length) throw new Error("history: cut short");
  return { long, short };
}

/**
 * @param {Uint8Array} planes
 * @param {number} at
 * @param {number} columns
 * @param {number} rows of a column, of all groups
 */
function quantised(planes, at, columns, rows) {
  const cells = columns * rows;
  const out = new Uint16Array(cells);
  const high = at + cells;
  for (let i = 0; i < cells; i++) {
    out[i] = (planes[at + i] | (planes[high + i] << 8)) + (i < rows ? 0 : out[i - rows]);
  }
  return out;
}

/**
 * @param {Uint8Array} planes
 * @param {number} at
 * @param {HistoryHeader} header
 * @returns {Candles}
 */
function candles(planes, at, { columns, tick, gaps }) {
  const [open, high, low, close] = [0, 1, 2, 3].map((k) => words(planes, at + 4 * k * columns, columns));
  const out = {
    open: new Float64Array(columns).fill(NaN),
    high: new Float64Array(columns).fill(NaN),
    low: new Float64Array(columns).fill(NaN),
    close: new Float64Array(columns).fill(NaN),
  };
  const missing = gapMask(columns, gaps);
  const perTick = Math.round(1 / tick); // dividing gives the decimal itself, multiplying its neighbour
  const price =
    perTick >= 1 ? (/** @type {number} */ t) => t / perTick : (/** @type {number} */ t) => t * tick;
  let before = 0;
  for (let c = 0; c < columns; c++) {
    if (missing[c]) continue;
    const o = before + open[c];
    before = o + close[c];
    out.open[c] = price(o);
    out.high[c] = price(Math.max(o, before) + high[c]);
    out.low[c] = price(Math.min(o, before) - low[c]);
    out.close[c] = price(before);
  }
  return out;
}

/**
 * @param {Uint8Array} planes
 * @param {number} at
 * @param {number} count
 */
function words(planes, at, count) {
  const out = new Int32Array(count);
  for (let k = 0; k < 4; k++) {
    for (let i = 0; i < count; i++) out[i] |= planes[at + k * count + i] << (8 * k);
  }
  return out;
}

/**
 * @param {number} columns
 * @param {[number, number][]} gaps
 * @returns {Uint8Array} 1 where a column is missing
 */
function gapMask(columns, gaps) {
  const mask = new Uint8Array(columns);
  for (const [first, count] of gaps) mask.fill(1, first, first + count);
  return mask;
}
