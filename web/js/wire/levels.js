// @ts-check
/**
 * The levels of one symbol as the stream sends them: two columns of USD on a regular price grid, kept in
 * one buffer so that a checksum needs no copy.
 * @module
 */

import { crc32 } from "./crc32.js";

/** @typedef {{ p0: number, step: number, long: ArrayLike<number>, short: ArrayLike<number> }} ColumnsData */
/** @typedef {{ i: number[], v: number[] }} SideDelta indices into the grid and their new USD */

export class Levels {
  #buffer;

  /** @param {ColumnsData} data */
  constructor(data) {
    const rows = data.long.length;
    // p0, step, long[], short[]: the order the checksum is defined over (docs/websocket_api.md).
    this.#buffer = new Float64Array(2 + 2 * rows);
    this.#buffer[0] = data.p0;
    this.#buffer[1] = data.step;
    /** @readonly Long USD per level, lowest price first. */
    this.long = this.#buffer.subarray(2, 2 + rows);
    /** @readonly Short USD per level, lowest price first. */
    this.short = this.#buffer.subarray(2 + rows);
    this.long.set(data.long);
    this.short.set(data.short);
  }

  /** @returns {Levels} the same figures in a buffer of their own */
  copy() {
    return new Levels({ p0: this.p0, step: this.step, long: this.long, short: this.short });
  }

  /**
   * @param {number} low USD
   * @param {number} high USD
   * @returns {Levels} a copy without the longs that `low` and the shorts that `high` has passed whole
   */
  masked(low, high) {
    const levels = this.copy();
    const { p0, step, rows } = levels;
    for (let i = 0; i < rows; i++) {
      if (low <= p0 + (i - 0.5) * step) levels.long[i] = 0;
      if (high >= p0 + (i + 0.5) * step) levels.short[i] = 0;
    }
    return levels;
  }

  get rows() {
    return this.long.length;
  }

  /** Price of level 0, USD. */
  get p0() {
    return this.#buffer[0];
  }

  /** Distance of two levels, USD. */
  get step() {
    return this.#buffer[1];
  }

  /**
   * @param {SideDelta} long
   * @param {SideDelta} short
   * @returns {boolean} false when an index is off the grid, or lacks its value
   */
  apply(long, short) {
    return patch(this.long, long) && patch(this.short, short);
  }

  /** CRC-32 of p0, step, long[] and short[] as little-endian float64. */
  checksum() {
    return crc32(new Uint8Array(this.#buffer.buffer));
  }
}

/**
 * @param {Float64Array} side
 * @param {SideDelta} delta
 */
function patch(side, delta) {
  if (delta.i.length !== delta.v.length) return false;
  for (let k = 0; k < delta.i.length; k++) {
    if (!(delta.i[k] >= 0 && delta.i[k] < side.length)) return false;
    side[delta.i[k]] = delta.v[k];
  }
  return true;
}
