// @ts-check
/**
 * Reads LQH1, the compact form of the time x price matrix: quantised USD and candles as byte planes of
 * differences in time, or packed (docs/websocket_api.md, history).
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
 * @property {boolean} [packed] whether the levels are written as what differs from a prediction
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
/** Steps by which a level moves with those below it, not alone. */
const MOVED = 16;

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
  if (at < (header.packed ? 1 / 8 : 4) * cells) throw new Error("history: cut short");
  const sides = header.packed
    ? unpacked(planes, at, header)
    : {
        long: quantised(planes, 0, header.columns, rows),
        short: quantised(planes, 2 * cells, header.columns, rows),
      };
  return { header, ...sides, candles: candles(planes, at, header) };
}

/**
 * Each cell is as the one of the column before, or as the one below where that moved; a bit says where not.
 * @param {Uint8Array} planes bits of cells, first rows of the shorts, values
 * @param {number} end where the values end
 * @param {HistoryHeader} header
 */
function unpacked(planes, end, { columns, rows, groups }) {
  const count = groups?.length ?? 1;
  const height = rows * count;
  const cells = columns * height;
  const sides = { long: new Uint16Array(cells), short: new Uint16Array(cells) };
  const steps = new Uint16Array(cells);
  const splits = new Int32Array(count);
  const lines = Math.ceil(cells / 8);
  let at = lines + 2 * columns * count;
  for (let i = 0, line = 0; i < cells; line++) {
    const moved = planes[lines + line] | (planes[lines + columns * count + line] << 8);
    const split = (splits[line % count] += unzigzag(moved));
    for (let row = 0; row < rows; row++, i++) {
      const before = i < height ? 0 : steps[i - height];
      const below = row && steps[i - 1];
      const jump = i < height || !row ? below : below - steps[i - 1 - height];
      let step = below && (!before || jump > MOVED || jump < -MOVED) ? below : before;
      if (planes[i >> 3] & (128 >> (i & 7))) {
        let value = planes[at++];
        if (value === 255) value = planes[at++] | (planes[at++] << 8);
        step = value && step + unzigzag(value);
      }
      steps[i] = step;
      (row < split ? sides.long : sides.short)[i] = step;
    }
  }
  if (at !== end) throw new Error("history: cut short");
  return sides;
}

/** 0, 1, 2, 3 ... as 0, -1, 1, -2 ... @param {number} value */
function unzigzag(value) {
  return (value >>> 1) ^ -(value & 1);
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
