// @ts-check
/**
 * Draws swept clusters: a hollow outline for a day after the price went through, with what was expected there
 * and what was liquidated.
 * @module
 */

import { usd } from "../data/format.js";
import { timeToX } from "./times-on-screen.js";

/** @typedef {import("./chart-library.js").SeriesAttachedParameter} Attached */
/** @typedef {import("./chart-library.js").RenderingTarget} RenderingTarget */
/** @typedef {import("./chart-library.js").RenderingScope} RenderingScope */
/** @typedef {import("./theme.js").Theme} Theme */
/** @typedef {import("../data/swept.js").SweptBand & { came: number | null }} Outlined with USD liquidated */
/** @typedef {{ left: number, right: number, top: number, bottom: number }} Box */

const DAY_MS = 86_400_000;
const FONT_PX = 10.5;
const LEAST_HEIGHT = 3;
/** Between two labels side by side. */
const GAP_PX = 16;

export class SweptPrimitive {
  /** @type {Attached["chart"] | null} */
  #chart = null;
  /** @type {Attached["series"] | null} */
  #series = null;
  #requestUpdate = () => {};
  /** @type {Outlined[]} */
  #bands = [];
  /** @type {import("../data/history-matrix.js").HistoryMatrix | null} */
  #matrix = null;
  #untilMs = Infinity;
  /** @type {() => Theme} */
  #theme;

  /** @param {() => Theme} theme */
  constructor(theme) {
    this.#theme = theme;
  }

  /** @param {Attached} given */
  attached({ chart, series, requestUpdate }) {
    this.#chart = chart;
    this.#series = series;
    this.#requestUpdate = requestUpdate;
  }

  paneViews() {
    const draw = (/** @type {RenderingTarget} */ target) => {
      if (this.#bands.length) target.useBitmapCoordinateSpace((scope) => this.#draw(scope));
    };
    return [{ zOrder: () => /** @type {const} */ ("top"), renderer: () => ({ draw }) }];
  }

  autoscaleInfo() {
    return null;
  }

  /**
   * @param {import("../data/history-matrix.js").HistoryMatrix | null} matrix that has the columns
   * @param {Outlined[]} bands latest first
   * @param {number} untilMs what is drawn ends there
   */
  show(matrix, bands, untilMs) {
    this.#untilMs = untilMs;
    this.#matrix = matrix;
    this.#bands = bands;
    this.#requestUpdate();
  }

  /** @param {RenderingScope} scope */
  #draw({ context, bitmapSize, horizontalPixelRatio: hr, verticalPixelRatio: vr }) {
    const theme = this.#theme();
    context.font = `600 ${FONT_PX * vr}px ${theme.font}`;
    context.textBaseline = "middle";
    context.lineWidth = Math.max(1, Math.round(hr));
    /** @type {Box[]} */
    const taken = [];
    for (const band of this.#bands) {
      const box = this.#boxOf(band, hr, vr);
      if (!box || box.right < 0 || box.left > bitmapSize.width) continue;
      if (box.bottom < 0 || box.top > bitmapSize.height) continue;
      context.strokeStyle = theme[band.side];
      context.setLineDash([4 * hr, 3 * hr]);
      context.strokeRect(box.left, box.top, box.right - box.left, box.bottom - box.top);
      context.setLineDash([]);
      const edge = Math.min(bitmapSize.width, this.#edge(hr));
      label(context, box, edge, { text: textOf(band), theme, ratio: vr, taken });
    }
  }

  /** Where what is drawn ends, device px. @param {number} hr */
  #edge(hr) {
    const middle = this.#chart && this.#matrix && timeToX(this.#chart, this.#matrix);
    if (!this.#matrix || !middle || this.#untilMs === Infinity) return Infinity;
    return middle(this.#untilMs - this.#matrix.intervalMs / 2) * hr;
  }

  /**
   * @param {Outlined} band
   * @param {number} hr
   * @param {number} vr
   * @returns {Box | null} device px
   */
  #boxOf({ low, high, toMs }, hr, vr) {
    const matrix = this.#matrix;
    const [top, bottom] = [high, low].map((price) => this.#series?.priceToCoordinate(price) ?? null);
    const middle = this.#chart && matrix && timeToX(this.#chart, matrix);
    if (!matrix || !middle || top === null || bottom === null) return null;
    const xOf = (/** @type {number} */ ms) => middle(ms - matrix.intervalMs / 2) * hr; // a bar's left edge
    const endMs = Math.min(toMs + DAY_MS, matrix.timeOf(matrix.end), this.#untilMs);
    const [left, right] = [xOf(toMs), xOf(endMs)];
    const height = Math.max(bottom - top, LEAST_HEIGHT) * vr;
    const y = ((top + bottom) / 2) * vr - height / 2;
    return { left, right: Math.max(right, left + 2 * hr), top: y, bottom: y + height };
  }
}

/** @param {Outlined} band */
export function textOf({ usd: expected, came }) {
  return came === null ? `expected ${usd(expected)}` : `expected ${usd(expected)}, liquidated ${usd(came)}`;
}

/**
 * Writes beside the left edge of a band, in sight, where nothing is written yet.
 * @param {CanvasRenderingContext2D} context
 * @param {Box} box
 * @param {number} width of the pane
 * @param {{ text: string, theme: Theme, ratio: number, taken: Box[] }} what
 */
function label(context, box, width, { text, theme, ratio, taken }) {
  const [wide, half] = [context.measureText(text).width + 8 * ratio, (FONT_PX * ratio) / 2 + 3 * ratio];
  const left = Math.min(Math.max(box.left, 0), width - wide);
  const middle = (box.top + box.bottom) / 2;
  const place = { left, right: left + wide, top: middle - half, bottom: middle + half };
  // With a line's room between them: where many bands are close, the latest are written.
  const [besides, above] = [GAP_PX * ratio, 2 * half];
  const free = taken.every(
    (other) =>
      other.right + besides < place.left ||
      other.left - besides > place.right ||
      other.bottom + above < place.top ||
      other.top - above > place.bottom,
  );
  if (left < 0 || !free) return;
  taken.push(place);
  context.globalAlpha = 0.82;
  context.fillStyle = theme.background;
  context.fillRect(place.left, place.top, wide, 2 * half);
  context.globalAlpha = 1;
  context.fillStyle = theme.text;
  context.fillText(text, left + 4 * ratio, middle);
}
