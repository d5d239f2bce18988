// @ts-check
/**
 * The time x price matrix of one market: quantised USD in chunks of 256 columns, with the candles.
 *
 * Columns are counted from the window's first and keep their number when old chunks are let go, so memory
 * stays flat however long the page is open.
 * @module
 */

export const CHUNK = 256;

/** @typedef {{ open: number, high: number, low: number, close: number }} Candle */
/** @typedef {{ long: Uint16Array, short: Uint16Array }} Chunk cells at (column % 256) * rows + row */

export class HistoryMatrix {
  /** @type {Chunk[]} */
  #chunks = [];
  /** @type {Float64Array} open, high, low, close of each held column */
  #candles;
  #capacity;
  /** @type {Set<number>} columns that live updates passed over: not empty, only not known here yet */
  #unseen = new Set();

  /** @param {import("./history-codec.js").History} history */
  constructor({ header, long, short, candles }) {
    this.intervalMs = header.interval_ms;
    this.t0 = header.t0;
    this.rows = header.rows;
    this.p0 = header.p0;
    this.step = header.step;
    /** Whether it is of some prices only, with finer rows than those of all. */
    this.isPart = false;
    /** First column still held, a multiple of 256. */
    this.first = 0;
    /** One past the newest column. */
    this.end = header.columns;
    this.#capacity = header.columns + 2 * CHUNK;
    this.#candles = new Float64Array(4 * this.#capacity).fill(NaN);
    for (let c = 0; c < this.end; c++) {
      const at = c * this.rows;
      this.#write(c, long.subarray(at, at + this.rows), short.subarray(at, at + this.rows));
      this.setCandle(c, {
        open: candles.open[c],
        high: candles.high[c],
        low: candles.low[c],
        close: candles.close[c],
      });
    }
  }

  /** Lower edge of row 0, USD. */
  get bottom() {
    return this.p0 - this.step / 2;
  }

  /** Upper edge of the last row, USD. */
  get top() {
    return this.bottom + this.rows * this.step;
  }

  /** The first column of which anything is known; `end` if there is none. */
  get firstKnown() {
    let column = this.first;
    while (column < this.end && this.isGap(column)) column++;
    return column;
  }

  /**
   * @param {number} column
   * @returns {number} its open time, UTC ms
   */
  timeOf(column) {
    return this.t0 + column * this.intervalMs;
  }

  /**
   * @param {number} timeMs
   * @returns {number} the column that holds it, held or not
   */
  columnAt(timeMs) {
    return Math.floor((timeMs - this.t0) / this.intervalMs);
  }

  /**
   * @param {number} price
   * @returns {number} the row that holds it, on the grid or not
   */
  rowAt(price) {
    return Math.floor((price - this.bottom) / this.step);
  }

  /**
   * @param {number} row
   * @returns {number}
   */
  priceOf(row) {
    return this.p0 + row * this.step;
  }

  /**
   * @param {number} column
   * @returns {boolean}
   */
  holds(column) {
    return column >= this.first && column < this.end;
  }

  /**
   * @param {number} index
   * @returns {Chunk | undefined} columns index * 256 and on
   */
  chunk(index) {
    return this.#chunks[index - this.first / CHUNK];
  }

  /**
   * @param {number} column
   * @returns {{ long: Uint16Array, short: Uint16Array } | null} views, lowest row first
   */
  column(column) {
    const chunk = this.holds(column) ? this.chunk(Math.floor(column / CHUNK)) : undefined;
    if (!chunk) return null;
    const at = (column % CHUNK) * this.rows;
    return { long: chunk.long.subarray(at, at + this.rows), short: chunk.short.subarray(at, at + this.rows) };
  }

  /**
   * @param {number} column
   * @returns {Candle | null} null in a gap
   */
  candle(column) {
    const at = 4 * (column - this.first);
    if (!this.holds(column) || Number.isNaN(this.#candles[at])) return null;
    const [open, high, low, close] = this.#candles.subarray(at, at + 4);
    return { open, high, low, close };
  }

  /**
   * @param {number} column
   * @returns {boolean} whether nothing was recorded then
   */
  isGap(column) {
    return (
      this.holds(column) &&
      Number.isNaN(this.#candles[4 * (column - this.first)]) &&
      !this.#unseen.has(column)
    );
  }

  /**
   * @param {number} column
   * @returns {boolean} whether live updates passed it over: a new history will fill it
   */
  isUnseen(column) {
    return this.#unseen.has(column);
  }

  /**
   * @param {number} column
   * @param {Candle} candle
   */
  setCandle(column, candle) {
    this.#candles.set([candle.open, candle.high, candle.low, candle.close], 4 * (column - this.first));
  }

  /**
   * @param {number} column a held one
   * @param {Uint16Array} long
   * @param {Uint16Array} short
   */
  setColumn(column, long, short) {
    this.#unseen.delete(column);
    this.#write(column, long, short);
  }

  /**
   * Adds empty columns up to and including `column`; those before it are unseen.
   * @param {number} column
   * @param {number} most columns to keep, at least
   * @returns {number} how many columns were let go
   */
  extendTo(column, most) {
    let gone = 0;
    while (this.end <= column) {
      if (this.end - this.first + 1 > this.#capacity) gone += this.#trim(most);
      this.#write(this.end, null, null);
      this.#candles.fill(NaN, 4 * (this.end - this.first), 4 * (this.end - this.first + 1));
      if (this.end < column) this.#unseen.add(this.end);
      this.end += 1;
    }
    return gone;
  }

  /** @param {number} most */
  #trim(most) {
    const before = this.first;
    while (this.end - this.first - CHUNK >= most && this.#chunks.length > 1) {
      this.#chunks.shift();
      this.#candles.copyWithin(0, 4 * CHUNK);
      this.first += CHUNK;
    }
    for (const column of this.#unseen) if (column < this.first) this.#unseen.delete(column);
    if (this.first === before) this.#grow();
    return this.first - before;
  }

  #grow() {
    const larger = new Float64Array(4 * (this.#capacity + 2 * CHUNK)).fill(NaN);
    larger.set(this.#candles);
    this.#candles = larger;
    this.#capacity += 2 * CHUNK;
  }

  /**
   * @param {number} column
   * @param {Uint16Array | null} long
   * @param {Uint16Array | null} short
   */
  #write(column, long, short) {
    const index = Math.floor(column / CHUNK) - this.first / CHUNK;
    while (this.#chunks.length <= index) {
      const cells = CHUNK * this.rows;
      this.#chunks.push({ long: new Uint16Array(cells), short: new Uint16Array(cells) });
    }
    if (!long || !short) return;
    const at = (column % CHUNK) * this.rows;
    this.#chunks[index].long.set(long, at);
    this.#chunks[index].short.set(short, at);
  }
}
