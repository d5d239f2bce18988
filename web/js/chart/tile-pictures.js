// @ts-check
/**
 * Tiles as pictures, one pixel per cell, in the colours of a table; a changed column alone is painted again.
 * @module
 */

import { CHUNK } from "../data/history-matrix.js";

/** @typedef {import("./tiles.js").Tile} Tile */
/**
 * @typedef {object} Picture
 * @property {HTMLCanvasElement} canvas
 * @property {CanvasRenderingContext2D} context
 * @property {ImageData} image
 * @property {Uint32Array} words the image's pixels
 * @property {number} version of the tile as painted
 * @property {Uint32Array | null} table of the colours as painted
 */

export class TilePictures {
  /** @type {WeakMap<Tile, Picture>} */
  #pictures = new WeakMap();

  /**
   * The picture of a tile as it is now; its changes count as painted.
   * @param {Tile} tile
   * @param {Uint32Array} table colour of each index of quantised USD
   * @returns {HTMLCanvasElement}
   */
  canvasOf(tile, table) {
    let picture = this.#pictures.get(tile);
    if (!picture) {
      picture = newPicture(tile.height);
      this.#pictures.set(tile, picture);
    }
    if (picture.table !== table || picture.version !== tile.version) {
      paintAll(tile, picture, table);
      picture.table = table;
      picture.version = tile.version;
    } else {
      for (const x of tile.dirty) paintColumn(tile, picture, table, x);
    }
    tile.dirty.clear();
    return picture.canvas;
  }
}

/**
 * @param {number} height
 * @returns {Picture}
 */
function newPicture(height) {
  const canvas = document.createElement("canvas");
  canvas.width = CHUNK;
  canvas.height = height;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const image = context.createImageData(CHUNK, height);
  return { canvas, context, image, words: new Uint32Array(image.data.buffer), version: -1, table: null };
}

/**
 * @param {Tile} tile
 * @param {Picture} picture
 * @param {Uint32Array} table
 */
function paintAll({ values, height }, { context, image, words }, table) {
  for (let y = 0; y < height; y++) {
    const from = (height - 1 - y) * CHUNK; // pictures start at the top, prices at the bottom
    const to = y * CHUNK;
    for (let x = 0; x < CHUNK; x++) words[to + x] = table[values[from + x]];
  }
  context.putImageData(image, 0, 0);
}

/**
 * @param {Tile} tile
 * @param {Picture} picture
 * @param {Uint32Array} table
 * @param {number} x
 */
function paintColumn({ values, height }, { context, image, words }, table, x) {
  for (let y = 0; y < height; y++) words[y * CHUNK + x] = table[values[(height - 1 - y) * CHUNK + x]];
  context.putImageData(image, 0, 0, x, 0, 1, height);
}
