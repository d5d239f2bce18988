// @ts-check
/**
 * What is drawn of a matrix, as tiles of 256 columns of quantised USD: a view and a side of it, max-pooled in
 * both directions so that no bright band is lost when cells outnumber pixels.
 * @module
 */

import { quantisedExcess } from "../data/clusters.js";
import { INDEX_COUNT } from "../data/quantise.js";
import { CHUNK } from "../data/history-matrix.js";

/** @typedef {import("../data/history-matrix.js").HistoryMatrix} HistoryMatrix */
/**
 * @typedef {object} Tile cells at row * 256 + column, lowest price first
 * @property {Uint16Array} values
 * @property {number} height rows
 * @property {number} version counts changes of many cells
 * @property {Set<number>} dirty single columns changed since the last paint
 * @property {number} used the frame it was last drawn in
 */

/** Tiles kept beyond those in sight; each is about 1 MB with its picture. */
const SPARE_TILES = 24;

export class Tiles {
  /** @type {Map<string, Tile>} */
  #tiles = new Map();
  #matrix;
  /** @type {"clusters" | "density"} */
  #view = "clusters";
  /** @type {"both" | "long" | "short"} */
  #side = "both";
  #frame = 0;
  #column;

  /** @param {HistoryMatrix} matrix */
  constructor(matrix) {
    this.#matrix = matrix;
    this.#column = new Uint16Array(matrix.rows);
  }

  /**
   * @param {"clusters" | "density"} view
   * @param {"both" | "long" | "short"} side
   */
  show(view, side) {
    if (view === this.#view && side === this.#side) return;
    this.#view = view;
    this.#side = side;
    this.#tiles.clear();
  }

  /** Forgets everything, e.g. after the matrix let old columns go. */
  clear() {
    this.#tiles.clear();
  }

  /** Begins a frame: tiles long out of sight are let go. */
  nextFrame() {
    this.#frame += 1;
    if (this.#tiles.size <= 2 * SPARE_TILES) return;
    const oldest = [...this.#tiles].sort((a, b) => a[1].used - b[1].used);
    for (const [key] of oldest.slice(0, this.#tiles.size - SPARE_TILES)) this.#tiles.delete(key);
  }

  /**
   * @param {number} across log2 of the columns pooled into one
   * @param {number} up log2 of the rows
   * @param {number} index the tile's place: its first column is index * 256 * 2 ** across
   * @returns {Tile}
   */
  tile(across, up, index) {
    const key = `${across}/${up}/${index}`;
    let tile = this.#tiles.get(key);
    if (!tile) {
      tile = across || up ? this.#pooled(across, up, index) : this.#plain(index);
      this.#tiles.set(key, tile);
    }
    tile.used = this.#frame;
    return tile;
  }

  /** Takes over one changed column of the matrix. @param {number} column */
  touch(column) {
    const index = Math.floor(column / CHUNK);
    const plain = this.#tiles.get(`0/0/${index}`);
    if (plain) {
      this.#fill(plain, column, column % CHUNK);
      plain.dirty.add(column % CHUNK);
    }
    for (const [key, tile] of this.#tiles) {
      const [across, up, place] = key.split("/").map(Number);
      const x = (column >> across) - place * CHUNK;
      if (tile === plain || x < 0 || x >= CHUNK) continue;
      this.#poolColumn(tile, across, up, place, x); // from plain tiles, so those come first
      tile.dirty.add(x);
    }
  }

  /**
   * @param {number} index
   * @returns {Tile}
   */
  #plain(index) {
    const tile = newTile(this.#matrix.rows);
    for (let x = 0; x < CHUNK; x++) this.#fill(tile, index * CHUNK + x, x);
    return tile;
  }

  /**
   * @param {Tile} tile
   * @param {number} column
   * @param {number} x
   */
  #fill(tile, column, x) {
    const cells = this.#matrix.column(column);
    if (!cells) return;
    const out = this.#column;
    const { long, short } = cells;
    if (this.#view === "clusters") quantisedExcess(long, short, this.#matrix, this.#side, out);
    else if (this.#side === "long") out.set(long);
    else if (this.#side === "short") out.set(short);
    else for (let r = 0; r < out.length; r++) out[r] = long[r] > short[r] ? long[r] : short[r];
    for (let r = 0, at = x; r < out.length; r++, at += CHUNK) tile.values[at] = out[r];
  }

  /**
   * @param {number} across
   * @param {number} up
   * @param {number} index
   * @returns {Tile}
   */
  #pooled(across, up, index) {
    const rows = this.#matrix.rows;
    const tile = newTile(((rows - 1) >> up) + 1);
    for (let k = 0; k < 1 << across; k++) {
      const chunk = (index << across) + k;
      if (!this.#matrix.chunk(chunk)) continue;
      const from = this.tile(0, 0, chunk).values;
      for (let r = 0; r < rows; r++) {
        const to = (r >> up) * CHUNK;
        for (let x = 0; x < CHUNK; x++) {
          const value = from[r * CHUNK + x];
          const at = to + ((k * CHUNK + x) >> across);
          if (value > tile.values[at]) tile.values[at] = value;
        }
      }
    }
    return tile;
  }

  /**
   * @param {Tile} tile
   * @param {number} across
   * @param {number} up
   * @param {number} index
   * @param {number} x
   */
  #poolColumn(tile, across, up, index, x) {
    for (let at = x; at < tile.values.length; at += CHUNK) tile.values[at] = 0;
    const first = (index * CHUNK + x) << across;
    for (let column = first; column < first + (1 << across); column++) {
      if (!this.#matrix.holds(column)) continue;
      const from = this.tile(0, 0, Math.floor(column / CHUNK)).values;
      for (let r = 0, at = column % CHUNK; r < this.#matrix.rows; r++, at += CHUNK) {
        const to = (r >> up) * CHUNK + x;
        if (from[at] > tile.values[to]) tile.values[to] = from[at];
      }
    }
  }
}

/**
 * @param {number} height
 * @returns {Tile}
 */
function newTile(height) {
  return { values: new Uint16Array(CHUNK * height), height, version: 0, dirty: new Set(), used: 0 };
}

/**
 * Counts the cells of tiles per index of quantised USD.
 * @param {Iterable<{ tile: Tile, fromX: number, toX: number, fromY: number, toY: number }>} parts
 * @param {number} [every] counts only every so-manieth column: enough for an estimate
 * @returns {Uint32Array}
 */
export function countByIndex(parts, every = 1) {
  const counts = new Uint32Array(INDEX_COUNT);
  for (const { tile, fromX, toX, fromY, toY } of parts) {
    for (let y = fromY; y < toY; y++) {
      for (let at = y * CHUNK + fromX; at < y * CHUNK + toX; at += every) counts[tile.values[at]]++;
    }
  }
  return counts;
}
