// @ts-check
/** Writes LQH1 as the server does, and makes small histories for tests. */

/** @typedef {import("../../web/js/data/history-codec.js").HistoryHeader} Header */
/**
 * @typedef {{ open: number, high: number, low: number, close: number } | null} Candle in ticks; null: a gap
 */

/**
 * @param {Partial<Header>} given
 * @returns {Header}
 */
export function header(given = {}) {
  return {
    symbol: "BTCUSDT",
    interval_ms: 60_000,
    t0: 1_700_000_040_000,
    columns: 4,
    rows: 8,
    p0: 100,
    step: 1,
    tick: 0.1,
    gaps: [],
    epoch: 1,
    seq: 1,
    source: "simulated",
    stale: false,
    quality: [],
    kernel: "tiered",
    exchanges: ["binance"],
    ...given,
  };
}

/**
 * @param {Header} head
 * @param {Uint16Array} long
 * @param {Uint16Array} short
 * @param {Candle[]} candles
 * @returns {ArrayBuffer}
 */
export function encode(head, long, short, candles) {
  const text = new TextEncoder().encode(JSON.stringify(head));
  const height = head.rows * (head.groups?.length ?? 1);
  const cells = head.columns * height;
  if (head.packed) return packed(text, head, long, short);
  const out = new Uint8Array(8 + text.length + 4 * cells + 16 * head.columns);
  out.set(new TextEncoder().encode("LQH1"));
  new DataView(out.buffer).setUint32(4, text.length, true);
  out.set(text, 8);
  let at = 8 + text.length;
  for (const cellsOfSide of [long, short]) {
    for (let i = 0; i < cells; i++) {
      const difference = (cellsOfSide[i] - (i < height ? 0 : cellsOfSide[i - height])) & 0xffff;
      out[at + i] = difference & 255;
      out[at + cells + i] = difference >>> 8;
    }
    at += 2 * cells;
  }
  let before = 0;
  const rows = candles.map((candle) => {
    if (!candle) return [0, 0, 0, 0];
    const { open, high, low, close } = candle;
    const row = [open - before, high - Math.max(open, close), Math.min(open, close) - low, close - open];
    before = close;
    return row;
  });
  for (let k = 0; k < 4; k++) {
    for (let byte = 0; byte < 4; byte++) for (const row of rows) out[at++] = (row[k] >>> (8 * byte)) & 255;
  }
  return out.buffer;
}

/**
 * The levels packed, and no candles but zeros.
 * @param {Uint8Array} text
 * @param {Header} head
 * @param {Uint16Array} long
 * @param {Uint16Array} short
 */
function packed(text, head, long, short) {
  const { columns, rows, groups } = head;
  const count = groups?.length ?? 1;
  const zigzag = (/** @type {number} */ d) => (d < 0 ? -2 * d - 1 : 2 * d);
  const step = (/** @type {number} */ column, /** @type {number} */ group, /** @type {number} */ row) => {
    const i = (column * count + group) * rows + row;
    return column < 0 || row < 0 ? 0 : long[i] + short[i];
  };
  /** @type {number[]} */
  const values = [];
  /** @type {boolean[]} */
  const differs = [];
  /** @type {number[]} */
  const splits = [];
  for (let c = 0; c < columns; c++) {
    for (let g = 0; g < count; g++) {
      const first = Array.from({ length: rows }, (_, row) => short[(c * count + g) * rows + row]).findIndex(Boolean);
      splits.push(first < 0 ? rows : first);
      for (let row = 0; row < rows; row++) {
        const [here, before, below] = [step(c, g, row), step(c - 1, g, row), step(c, g, row - 1)];
        const jumped = Math.abs(below - step(c - 1, g, row - 1)) > 16;
        const wanted = below && (!before || jumped) ? below : before;
        differs.push(here !== wanted);
        if (here === wanted) continue;
        const value = here && zigzag(here - wanted);
        values.push(...(value < 255 ? [value] : [255, value & 255, value >> 8]));
      }
    }
  }
  const bits = Array.from({ length: Math.ceil(differs.length / 8) }, (_, byte) =>
    Array.from({ length: 8 }, (_, bit) => (differs[8 * byte + bit] ? 128 >> bit : 0)).reduce((sum, each) => sum + each),
  );
  const lines = splits.map((split, i) => zigzag(split - (splits[i - count] ?? 0)));
  const planes = [...bits, ...lines.map((line) => line & 255), ...lines.map((line) => line >> 8), ...values];
  const size = new Uint8Array(new Uint32Array([text.length]).buffer);
  const magic = new TextEncoder().encode("LQH1");
  return new Uint8Array([...magic, ...size, ...text, ...planes, ...new Uint8Array(16 * columns)]).buffer;
}

/**
 * A repeatable source of numbers in 0..1.
 * @param {number} seed
 * @returns {() => number}
 */
export function random(seed) {
  let state = seed >>> 0 || 1;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/**
 * A history of random cells and candles.
 * @param {Partial<Header>} [given]
 * @param {number} [seed]
 */
export function history(given = {}, seed = 7) {
  const head = header(given);
  const next = random(seed);
  const cells = head.columns * head.rows;
  const long = Uint16Array.from({ length: cells }, () => (next() < 0.3 ? 0 : Math.floor(next() * 900)));
  const short = Uint16Array.from({ length: cells }, () => (next() < 0.3 ? 0 : Math.floor(next() * 900)));
  const missing = new Set(head.gaps.flatMap(([first, count]) => Array.from({ length: count }, (_, i) => first + i)));
  /** @type {Candle[]} */
  const candles = Array.from({ length: head.columns }, (_, c) => {
    const open = 1000 + Math.floor(next() * 50);
    const close = 1000 + Math.floor(next() * 50);
    return missing.has(c) ? null : { open, close, high: Math.max(open, close) + 5, low: Math.min(open, close) - 5 };
  });
  for (const c of missing) {
    long.fill(0, c * head.rows, (c + 1) * head.rows);
    short.fill(0, c * head.rows, (c + 1) * head.rows);
  }
  return { head, long, short, candles, bytes: encode(head, long, short, candles) };
}
