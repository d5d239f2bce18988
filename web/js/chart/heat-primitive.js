// @ts-check
/**
 * Blits the heat under the candles: one picture per tile, one pixel per cell, scaled without smoothing.
 * @module
 */

import { CHUNK } from "../data/matrix.js";
import { countRungs, Tiles } from "./tiles.js";

/** @typedef {import("../data/matrix.js").Matrix} Matrix */
/** @typedef {import("./tiles.js").Tile} Tile */
/** @typedef {{ canvas: HTMLCanvasElement, context: CanvasRenderingContext2D, image: ImageData, words: Uint32Array, version: number, table: Uint32Array | null }} Picture */
/** @typedef {{ tile: Tile, across: number, index: number, left: number, right: number }} Placed */

/** A straight blit is up to 26 px wrong on a logarithmic axis; 16 strips are within 0.14 px. */
const LOG_STRIPS = 16;
/** Of so many columns one is counted for the first colours. */
const SAMPLE = 4;
/** How strongly today's bands are drawn where there is no time yet. */
const FUTURE_ALPHA = 0.5;

export class HeatPrimitive {
  /** @type {Matrix | null} */
  #matrix = null;
  /** @type {Tiles | null} */
  #tiles = null;
  /** @type {WeakMap<Tile, Picture>} */
  #pictures = new WeakMap();
  /** @type {any} */
  #chart = null;
  /** @type {any} */
  #series = null;
  #requestUpdate = () => {};
  /** @type {Uint32Array | null} */
  #table = null;
  /** @type {Placed[]} */
  #placed = [];
  /** @type {[number, number][]} runs of columns without data */
  #gaps = [];
  /** @type {CanvasPattern | null} */
  #hatch = null;
  #hatchColour = "#8888";
  #logarithmic = false;
  #pane = { left: 0, right: 0, bottomRow: 0, topRow: 0 };
  /** Milliseconds of script of the last frame, for the bench. */
  frameMs = 0;
  frames = 0;
  #drawn = () => {};
  /** Settles with the first frame that showed any heat. @type {Promise<void>} */
  firstDrawn = new Promise((done) => (this.#drawn = done));

  /** @param {{ chart: any, series: any, requestUpdate: () => void }} given */
  attached({ chart, series, requestUpdate }) {
    this.#chart = chart;
    this.#series = series;
    this.#requestUpdate = requestUpdate;
  }

  paneViews() {
    return [{ zOrder: () => /** @type {const} */ ("bottom"), renderer: () => ({ draw() {}, drawBackground: (/** @type {any} */ target) => this.#draw(target) }) }];
  }

  /** A primitive that names a range squashes the candles; the fit modes choose it. */
  autoscaleInfo() {
    return null;
  }

  /** @param {Matrix | null} matrix */
  setMatrix(matrix) {
    this.#matrix = matrix;
    this.#tiles = matrix && new Tiles(matrix);
    this.#placed = [];
    this.findGaps();
  }

  /** @param {"clusters" | "density"} view @param {"both" | "long" | "short"} side */
  show(view, side) {
    this.#tiles?.show(view, side);
    this.#requestUpdate();
  }

  /** @param {Uint32Array} table colour of each rung */
  setTable(table) {
    this.#table = table;
    this.#requestUpdate();
  }

  /** @param {{ hatch: string, logarithmic: boolean }} style */
  setStyle({ hatch, logarithmic }) {
    this.#hatchColour = hatch;
    this.#hatch = null;
    this.#logarithmic = logarithmic;
    this.#requestUpdate();
  }

  /** @param {number} column whose cells changed */
  touch(column) {
    this.#tiles?.touch(column);
    this.#requestUpdate();
  }

  /** After the matrix let columns go. */
  forget() {
    this.#tiles?.clear();
    this.findGaps();
  }

  findGaps() {
    this.#gaps = [];
    const matrix = this.#matrix;
    for (let c = matrix?.first ?? 0; matrix && c < matrix.end; c++) {
      if (!matrix.isGap(c)) continue;
      const last = this.#gaps.at(-1);
      if (last && last[1] === c) last[1] = c + 1;
      else this.#gaps.push([c, c + 1]);
    }
  }

  get gaps() {
    return this.#gaps;
  }

  /** Cells in sight per rung, of the last frame drawn. @returns {Uint32Array} */
  countVisible() {
    const { left, right, bottomRow, topRow } = this.#pane;
    return countRungs(
      this.#placed.map(({ tile, across, index }) => {
        const first = index * CHUNK;
        const up = Math.round(Math.log2((this.#matrix?.rows ?? 1) / tile.height));
        const toX = Math.min(CHUNK, Math.ceil(right / 2 ** across) - first);
        const fromX = Math.min(toX, Math.max(0, Math.floor(left / 2 ** across) - first));
        const toY = Math.min(tile.height, (topRow >> up) + 1);
        return { tile, fromX, toX, fromY: Math.max(0, Math.min(toY, bottomRow >> up)), toY };
      }),
    );
  }

  /** Some of the newest tiles' cells per rung, for colours before anything was drawn. @returns {Uint32Array} */
  countNewest() {
    const matrix = this.#matrix;
    const parts = [];
    for (let index = Math.floor(((matrix?.end ?? 0) - 1) / CHUNK); matrix?.chunk(index) && parts.length < 2; index--) {
      const tile = /** @type {Tiles} */ (this.#tiles).tile(0, 0, index);
      parts.push({ tile, fromX: 0, toX: CHUNK, fromY: 0, toY: tile.height });
    }
    return countRungs(parts, SAMPLE);
  }

  /** @param {any} target */
  #draw(target) {
    const started = performance.now();
    target.useBitmapCoordinateSpace((/** @type {any} */ scope) => this.#drawIn(scope));
    this.frameMs = performance.now() - started;
    if (!this.#placed.length) return;
    this.frames += 1;
    if (this.frames > 1) return;
    performance.mark("liqstream:heat"); // from here on the page is of use
    this.#drawn();
  }

  /** @param {any} scope */
  #drawIn({ context, bitmapSize, horizontalPixelRatio: hr, verticalPixelRatio: vr }) {
    const matrix = this.#matrix;
    const tiles = this.#tiles;
    const table = this.#table;
    if (!matrix || !tiles || !table) return;
    const time = this.#chart.timeScale();
    const origin = time.logicalToCoordinate(0);
    const bottomY = this.#series.priceToCoordinate(matrix.bottom);
    const topY = this.#series.priceToCoordinate(matrix.top);
    if (origin === null || bottomY === null || topY === null) return;
    // Once per frame: one coordinate and the spacing give every column's edge.
    const spacing = time.options().barSpacing * hr;
    const left0 = origin * hr - spacing / 2 - matrix.first * spacing;
    const edge = (/** @type {number} */ column) => Math.round(left0 + column * spacing);
    const first = Math.max(matrix.first, Math.floor(-left0 / spacing));
    const last = Math.min(matrix.end, Math.ceil((bitmapSize.width - left0) / spacing));
    const rowHeight = ((bottomY - topY) * vr) / matrix.rows;
    const across = spacing >= 1 ? 0 : Math.ceil(-Math.log2(spacing));
    const up = rowHeight >= 1 ? 0 : Math.min(9, Math.ceil(-Math.log2(rowHeight)));
    const rowAtY = (/** @type {number} */ y) => Math.floor((bottomY * vr - y) / rowHeight);
    this.#pane = {
      left: first,
      right: last,
      bottomRow: Math.max(0, rowAtY(bitmapSize.height)),
      topRow: Math.min(matrix.rows - 1, Math.max(0, rowAtY(0))),
    };
    tiles.nextFrame();
    this.#placed = [];
    context.imageSmoothingEnabled = false; // reset by every resize, so set every time
    const span = CHUNK << across;
    for (let index = Math.floor(first / span); index * span < last; index++) {
      const tile = tiles.tile(across, up, index);
      const placed = { tile, across, index, left: edge(index * span), right: edge((index + 1) * span) };
      this.#placed.push(placed);
      const { canvas } = this.#picture(tile, table);
      this.#blit(context, canvas, 0, CHUNK, placed.left, placed.right, up, bottomY * vr, topY * vr, vr);
    }
    this.#drawFuture(context, { edge, across, up, table, width: bitmapSize.width, bottom: bottomY * vr, top: topY * vr, vr });
    this.#drawGaps(context, edge, bitmapSize.height, hr);
  }

  /** Today's bands reach into the empty columns ahead, fainter: they stand until the price comes. @param {any} context @param {any} at */
  #drawFuture(context, { edge, across, up, table, width, bottom, top, vr }) {
    const matrix = /** @type {Matrix} */ (this.#matrix);
    const from = edge(matrix.end);
    if (from >= width || matrix.end === matrix.first) return;
    const pooled = (matrix.end - 1) >> across;
    const tile = /** @type {Tiles} */ (this.#tiles).tile(across, up, Math.floor(pooled / CHUNK));
    const { canvas } = this.#picture(tile, table);
    context.globalAlpha = FUTURE_ALPHA;
    this.#blit(context, canvas, pooled % CHUNK, 1, from, width, up, bottom, top, vr);
    context.globalAlpha = 1;
  }

  /**
   * @param {any} context @param {HTMLCanvasElement} canvas @param {number} x @param {number} columns
   * @param {number} left @param {number} right @param {number} up @param {number} bottom @param {number} top @param {number} vr
   */
  #blit(context, canvas, x, columns, left, right, up, bottom, top, vr) {
    const matrix = /** @type {Matrix} */ (this.#matrix);
    const height = canvas.height;
    if (!this.#logarithmic) {
      // The topmost pooled row may reach beyond the grid.
      const overshoot = ((height << up) / matrix.rows - 1) * (bottom - top);
      const y = Math.round(top - overshoot);
      context.drawImage(canvas, x, 0, columns, height, left, y, right - left, Math.round(bottom) - y);
      return;
    }
    const strip = Math.ceil(height / LOG_STRIPS);
    const yOf = (/** @type {number} */ row) =>
      Math.round((this.#series.priceToCoordinate(matrix.bottom + (row << up) * matrix.step) ?? 0) * vr);
    for (let row = 0; row < height; row += strip) {
      const to = Math.min(height, row + strip);
      const y = yOf(to);
      context.drawImage(canvas, x, height - to, columns, to - row, left, y, right - left, yOf(row) - y);
    }
  }

  /** @param {any} context @param {(column: number) => number} edge @param {number} height @param {number} hr */
  #drawGaps(context, edge, height, hr) {
    if (!this.#gaps.length) return;
    this.#hatch ??= hatchPattern(context, this.#hatchColour, Math.round(7 * hr));
    context.fillStyle = this.#hatch;
    for (const [from, to] of this.#gaps) context.fillRect(edge(from), 0, edge(to) - edge(from), height);
  }

  /** @param {Tile} tile @param {Uint32Array} table @returns {Picture} */
  #picture(tile, table) {
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
    return picture;
  }
}

/** @param {number} height @returns {Picture} */
function newPicture(height) {
  const canvas = document.createElement("canvas");
  canvas.width = CHUNK;
  canvas.height = height;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const image = context.createImageData(CHUNK, height);
  return { canvas, context, image, words: new Uint32Array(image.data.buffer), version: -1, table: null };
}

/** @param {Tile} tile @param {Picture} picture @param {Uint32Array} table */
function paintAll({ values, height }, { context, image, words }, table) {
  for (let y = 0; y < height; y++) {
    const from = (height - 1 - y) * CHUNK; // pictures start at the top, prices at the bottom
    const to = y * CHUNK;
    for (let x = 0; x < CHUNK; x++) words[to + x] = table[values[from + x]];
  }
  context.putImageData(image, 0, 0);
}

/** @param {Tile} tile @param {Picture} picture @param {Uint32Array} table @param {number} x */
function paintColumn({ values, height }, { context, image, words }, table, x) {
  for (let y = 0; y < height; y++) words[y * CHUNK + x] = table[values[(height - 1 - y) * CHUNK + x]];
  context.putImageData(image, 0, 0, x, 0, 1, height);
}

/** @param {any} context @param {string} colour @param {number} size */
function hatchPattern(context, colour, size) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = size;
  const brush = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  brush.strokeStyle = colour;
  brush.lineWidth = Math.max(1, size / 7);
  for (const shift of [-size, 0, size]) {
    brush.moveTo(shift - 1, size + 1);
    brush.lineTo(shift + size + 1, -1);
  }
  brush.stroke();
  return context.createPattern(canvas, "repeat");
}
