// @ts-check
/**
 * Blits the heat under the candles: one picture per tile, one pixel per cell, scaled without smoothing.
 * @module
 */

import { CHUNK } from "../data/history-matrix.js";
import { hatchPattern } from "./hatch.js";
import { TilePictures } from "./tile-pictures.js";
import { countByIndex, Tiles } from "./tiles.js";

/** @typedef {import("./chart-library.js").SeriesAttachedParameter} Attached */
/** @typedef {import("./chart-library.js").RenderingTarget} RenderingTarget */
/** @typedef {import("./chart-library.js").RenderingScope} RenderingScope */
/** @typedef {import("../data/history-matrix.js").HistoryMatrix} HistoryMatrix */
/** @typedef {import("./tiles.js").Tile} Tile */
/** @typedef {{ tile: Tile, across: number, index: number, left: number, right: number }} Placed */
/**
 * @typedef {object} Placement where the matrix is in the frame, in device px
 * @property {(column: number) => number} edge x of a column's left edge
 * @property {number} across log2 of the columns pooled into one
 * @property {number} up log2 of the rows pooled into one
 * @property {number} bottom y of the lowest row's lower edge
 * @property {number} top y of the highest row's upper edge
 * @property {number} vr device px per media px
 */

/** A straight blit is up to 26 px wrong on a logarithmic axis; 16 strips are within 0.14 px. */
const LOG_STRIPS = 16;
/** Of so many columns one is counted for the first colours. */
const SAMPLE = 4;
/** How strongly today's bands are drawn where there is no time yet. */
const FUTURE_ALPHA = 0.5;

export class HeatPrimitive {
  /** @type {HistoryMatrix | null} */
  #matrix = null;
  /** @type {Tiles | null} */
  #tiles = null;
  #pictures = new TilePictures();
  /** @type {Attached["chart"] | null} */
  #chart = null;
  /** @type {Attached["series"] | null} */
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
  #visible = true;
  #pane = { left: 0, right: 0, bottomRow: 0, topRow: 0 };
  /** Milliseconds of script of the last frame, for the bench. */
  frameMs = 0;
  frames = 0;
  #drawn = () => {};
  /** Settles with the first frame that showed any heat. @type {Promise<void>} */
  firstDrawn = new Promise((done) => (this.#drawn = done));

  /** @param {Attached} given */
  attached({ chart, series, requestUpdate }) {
    this.#chart = chart;
    this.#series = series;
    this.#requestUpdate = requestUpdate;
  }

  paneViews() {
    return [
      {
        zOrder: () => /** @type {const} */ ("bottom"),
        renderer: () => ({
          draw() {},
          drawBackground: (/** @type {RenderingTarget} */ target) => this.#draw(target),
        }),
      },
    ];
  }

  /** A primitive that names a range squashes the candles; the fit modes choose it. */
  autoscaleInfo() {
    return null;
  }

  /** What is drawn. */
  get matrix() {
    return this.#matrix;
  }

  /** @param {HistoryMatrix | null} matrix */
  setMatrix(matrix) {
    this.#matrix = matrix;
    this.#tiles = matrix && new Tiles(matrix);
    this.#placed = [];
    this.findGaps();
  }

  /**
   * @param {"clusters" | "density"} view
   * @param {"both" | "long" | "short"} side
   */
  show(view, side) {
    this.#tiles?.show(view, side);
    this.#requestUpdate();
  }

  /** @param {Uint32Array} table colour of each index */
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

  /** @param {boolean} visible whether cells are drawn; gaps are hatched all the same */
  setVisible(visible) {
    this.#visible = visible;
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

  /** Cells in sight per index, of the last frame drawn. @returns {Uint32Array} */
  countVisible() {
    const { left, right, bottomRow, topRow } = this.#pane;
    return countByIndex(
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

  /**
   * Some of the newest tiles' cells per index, for colours before anything was drawn.
   * @returns {Uint32Array}
   */
  countNewest() {
    const matrix = this.#matrix;
    const parts = [];
    for (
      let index = Math.floor(((matrix?.end ?? 0) - 1) / CHUNK);
      matrix?.chunk(index) && parts.length < 2;
      index--
    ) {
      const tile = /** @type {Tiles} */ (this.#tiles).tile(0, 0, index);
      parts.push({ tile, fromX: 0, toX: CHUNK, fromY: 0, toY: tile.height });
    }
    const counts = countByIndex(parts, SAMPLE);
    // What fills only a column or two may lie between those that are sampled.
    return counts.some((count, index) => index > 0 && count > 0) ? counts : countByIndex(parts);
  }

  /** @param {RenderingTarget} target */
  #draw(target) {
    const started = performance.now();
    target.useBitmapCoordinateSpace((scope) => this.#drawIn(scope));
    this.frameMs = performance.now() - started;
    if (!this.#placed.length) return;
    this.frames += 1;
    if (this.frames > 1) return;
    performance.mark("liqstream:heat"); // from here on the page is of use
    this.#drawn();
  }

  /** @param {RenderingScope} scope */
  #drawIn({ context, bitmapSize, horizontalPixelRatio: hr, verticalPixelRatio: vr }) {
    const matrix = this.#matrix;
    const tiles = this.#tiles;
    const table = this.#table;
    if (!matrix || !tiles || !table || !this.#chart || !this.#series) return;
    const time = this.#chart.timeScale();
    const origin = time.logicalToCoordinate(/** @type {import("./chart-library.js").Logical} */ (0));
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
    const placement = { edge, across, up, bottom: bottomY * vr, top: topY * vr, vr };
    const span = CHUNK << across;
    for (let index = Math.floor(first / span); this.#visible && index * span < last; index++) {
      const tile = tiles.tile(across, up, index);
      const placed = { tile, across, index, left: edge(index * span), right: edge((index + 1) * span) };
      this.#placed.push(placed);
      const part = { x: 0, columns: CHUNK, left: placed.left, right: placed.right };
      this.#blit(context, this.#pictures.canvasOf(tile, table), part, placement);
    }
    if (this.#visible) this.#drawFuture(context, table, placement, bitmapSize.width);
    this.#drawUnknown(context, placement, bitmapSize, hr);
  }

  /**
   * Today's bands reach into the empty columns ahead, fainter: they stand until the price comes.
   * @param {CanvasRenderingContext2D} context
   * @param {Uint32Array} table
   * @param {Placement} placement
   * @param {number} width of the frame, device px
   */
  #drawFuture(context, table, placement, width) {
    const { edge, across, up } = placement;
    const matrix = /** @type {HistoryMatrix} */ (this.#matrix);
    const from = edge(matrix.end);
    if (from >= width || matrix.end === matrix.first) return;
    const pooled = (matrix.end - 1) >> across;
    const tile = /** @type {Tiles} */ (this.#tiles).tile(across, up, Math.floor(pooled / CHUNK));
    context.globalAlpha = FUTURE_ALPHA;
    const part = { x: pooled % CHUNK, columns: 1, left: from, right: width };
    this.#blit(context, this.#pictures.canvasOf(tile, table), part, placement);
    context.globalAlpha = 1;
  }

  /**
   * Draws columns of a tile's picture between two edges of the frame.
   * @param {CanvasRenderingContext2D} context
   * @param {HTMLCanvasElement} canvas the tile's picture
   * @param {{ x: number, columns: number, left: number, right: number }} part from which column how many, to
   * where
   * @param {Placement} placement
   */
  #blit(context, canvas, { x, columns, left, right }, { up, bottom, top, vr }) {
    const matrix = /** @type {HistoryMatrix} */ (this.#matrix);
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
      Math.round((this.#series?.priceToCoordinate(matrix.bottom + (row << up) * matrix.step) ?? 0) * vr);
    for (let row = 0; row < height; row += strip) {
      const to = Math.min(height, row + strip);
      const y = yOf(to);
      context.drawImage(canvas, x, height - to, columns, to - row, left, y, right - left, yOf(row) - y);
    }
  }

  /**
   * Hatches what nothing is known of: gaps in time, and prices beyond those the map reaches.
   * @param {CanvasRenderingContext2D} context
   * @param {Placement} placement
   * @param {{ width: number, height: number }} size of the frame, device px
   * @param {number} hr device px per media px
   */
  #drawUnknown(context, { edge, bottom, top }, { width, height }, hr) {
    const beyond = top > 0 || bottom < height;
    if (!this.#gaps.length && !beyond) return;
    this.#hatch ??= hatchPattern(context, this.#hatchColour, Math.round(7 * hr));
    context.fillStyle = this.#hatch;
    const [from, to] = [Math.min(height, Math.max(0, Math.round(top))), Math.max(0, Math.round(bottom))];
    if (from > 0) context.fillRect(0, 0, width, from);
    if (to < height) context.fillRect(0, to, width, height - to);
    for (const [first, last] of this.#gaps) {
      context.fillRect(edge(first), from, edge(last) - edge(first), to - from);
    }
  }
}
