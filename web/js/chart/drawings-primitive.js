// @ts-check
/**
 * Draws the viewer's lines, boxes and texts on a map, and finds the one under the pointer.
 * @module
 */

import { price as priceText } from "../data/format.js";
import { timeToX } from "./times-on-screen.js";

/** @typedef {import("../state/drawings.js").Drawing} Drawing */
/** @typedef {import("./chart-library.js").SeriesAttachedParameter} Attached */
/** @typedef {import("./chart-library.js").RenderingTarget} RenderingTarget */
/** @typedef {import("./theme.js").Theme} Theme */
/** @typedef {{ x: number, y: number }} Spot */
/** @typedef {{ from: Spot, to: Spot, width: number }} Placed media px; width: of a text, or of the map */
/** @typedef {{ id: string, part: "from" | "to" | "whole" }} Hit */

const FONT_PX = 12;
const HANDLE_PX = 4;

export class DrawingsPrimitive {
  /** @type {Attached["chart"] | null} */
  #chart = null;
  /** @type {Attached["series"] | null} */
  #series = null;
  #requestUpdate = () => {};
  /** @type {readonly Drawing[]} */
  #drawings = [];
  #selected = "";
  /** @type {import("../data/history-matrix.js").HistoryMatrix | null} */
  #matrix = null;
  /** Of the texts drawn last, media px by id. @type {Map<string, number>} */
  #widths = new Map();
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
      if (!this.#drawings.length) return;
      target.useBitmapCoordinateSpace(({ context, horizontalPixelRatio: hr, verticalPixelRatio: vr }) => {
        context.save();
        context.scale(hr, vr);
        this.#draw(context);
        context.restore();
      });
    };
    return [{ zOrder: () => /** @type {const} */ ("top"), renderer: () => ({ draw }) }];
  }

  autoscaleInfo() {
    return null;
  }

  /**
   * @param {import("../data/history-matrix.js").HistoryMatrix | null} matrix that has the columns
   * @param {readonly Drawing[]} drawings
   * @param {string} selected its id; empty: none
   */
  show(matrix, drawings, selected) {
    const same = matrix === this.#matrix && drawings === this.#drawings && selected === this.#selected;
    if (same) return;
    [this.#matrix, this.#drawings, this.#selected] = [matrix, drawings, selected];
    this.#requestUpdate();
  }

  /**
   * @param {Drawing} drawing
   * @returns {Placed | null} null: there is no chart to place it on
   */
  place({ id, kind, from, to }) {
    const xOf = this.#chart && this.#matrix && timeToX(this.#chart, this.#matrix);
    const [top, bottom] = [from, to].map(({ price }) => this.#series?.priceToCoordinate(price) ?? null);
    if (!this.#chart || !xOf || top === null || bottom === null) return null;
    const whole = this.#chart.timeScale().width();
    const width = kind === "text" ? (this.#widths.get(id) ?? 0) : whole;
    // Whole pixels: an edge between two of them would be two grey ones.
    const [y, toY] = [Math.round(top), Math.round(bottom)];
    const [x, toX] = [Math.round(xOf(from.timeMs)), Math.round(xOf(to.timeMs))];
    return { from: { x, y }, to: { x: toX, y: toY }, width };
  }

  /**
   * @param {number} x
   * @param {number} y media px
   * @param {number} reach px that a pointer may miss by
   * @returns {Hit | null} the topmost one there
   */
  hit(x, y, reach) {
    const isChosen = (/** @type {Drawing} */ each) => Number(each.id === this.#selected);
    // The newest is drawn last; the one selected is taken first.
    const ordered = [...this.#drawings].reverse().sort((a, b) => isChosen(b) - isChosen(a));
    for (const drawing of ordered) {
      const placed = this.place(drawing);
      if (!placed) continue;
      const { id, kind } = drawing;
      const near = (/** @type {Spot} */ at) => Math.hypot(x - at.x, y - at.y) <= reach + HANDLE_PX;
      if (id === this.#selected && kind !== "text" && !isLevel(drawing)) {
        if (near(placed.to)) return { id, part: "to" };
        if (near(placed.from)) return { id, part: "from" };
      }
      if (isOn(drawing, placed, x, y, reach)) return { id, part: "whole" };
    }
    return null;
  }

  /** @param {CanvasRenderingContext2D} context scaled to media px */
  #draw(context) {
    const theme = this.#theme();
    context.font = `600 ${FONT_PX}px ${theme.font}`;
    context.textBaseline = "middle";
    context.lineJoin = "round";
    for (const drawing of this.#drawings) {
      const placed = this.place(drawing);
      if (!placed) continue;
      const isSelected = drawing.id === this.#selected;
      const colour = isSelected ? theme.accent : theme.text;
      if (drawing.kind === "box") {
        context.globalAlpha = 0.12;
        context.fillStyle = colour;
        context.fillRect(...rectOf(placed));
        context.globalAlpha = 1;
      }
      // In a casing of the map's colour it is seen on every colour of the heat.
      for (const [width, style] of /** @type {[number, string][]} */ ([
        [4, theme.background],
        [2, colour],
      ])) {
        context.lineWidth = width;
        context.strokeStyle = style;
        strokeShape(context, drawing, placed);
      }
      this.#write(context, drawing, placed, { theme, colour });
      if (isSelected && drawing.kind !== "text" && !isLevel(drawing)) {
        context.fillStyle = colour;
        for (const { x, y } of [placed.from, placed.to]) {
          context.fillRect(x - HANDLE_PX, y - HANDLE_PX, 2 * HANDLE_PX, 2 * HANDLE_PX);
        }
      }
    }
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {Drawing} drawing
   * @param {Placed} placed
   * @param {{ theme: Theme, colour: string }} look
   */
  #write(context, drawing, placed, { theme, colour }) {
    const { id, kind, from } = drawing;
    const level = isLevel(drawing) ? priceText(from.price) : "";
    const text = [drawing.text, level].filter(Boolean).join(" · ");
    if (!text) return;
    const width = context.measureText(text).width + 8;
    if (kind === "text") this.#widths.set(id, width);
    const [left, top] = kind === "box" ? rectOf(placed) : [placed.from.x, placed.from.y];
    const x = level ? 6 : left + (kind === "text" ? 0 : 4);
    const y = kind === "text" ? top : top - FONT_PX + (kind === "box" ? 0 : 1);
    context.globalAlpha = 0.8;
    context.fillStyle = theme.background;
    context.fillRect(x, y - FONT_PX * 0.7, width, FONT_PX * 1.4);
    context.globalAlpha = 1;
    context.fillStyle = colour;
    context.fillText(text, x + 4, y);
  }
}

/** Whether it is a price across the whole map. @param {Drawing} drawing */
export function isLevel({ kind, from, to }) {
  return kind === "line" && from.timeMs === to.timeMs;
}

/**
 * @param {Placed} placed
 * @returns {[number, number, number, number]} left, top, width, height
 */
function rectOf({ from, to }) {
  return [Math.min(from.x, to.x), Math.min(from.y, to.y), Math.abs(to.x - from.x), Math.abs(to.y - from.y)];
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Drawing} drawing
 * @param {Placed} placed
 */
function strokeShape(context, drawing, placed) {
  const { from, to, width } = placed;
  if (drawing.kind === "text") return;
  if (drawing.kind === "box") return context.strokeRect(...rectOf(placed));
  context.beginPath();
  if (isLevel(drawing)) {
    context.moveTo(0, from.y);
    context.lineTo(width, from.y);
  } else {
    context.moveTo(from.x, from.y);
    context.lineTo(to.x, to.y);
  }
  context.stroke();
}

/**
 * @param {Drawing} drawing
 * @param {Placed} placed
 * @param {number} x
 * @param {number} y
 * @param {number} reach
 */
function isOn(drawing, placed, x, y, reach) {
  const { from, to, width } = placed;
  if (drawing.kind === "text") {
    const half = FONT_PX * 0.7 + reach;
    return x >= from.x - reach && x <= from.x + width + reach && Math.abs(y - from.y) <= half;
  }
  if (isLevel(drawing)) return Math.abs(y - from.y) <= reach;
  if (drawing.kind === "line") return distance(from, to, x, y) <= reach;
  const [left, top, wide, high] = rectOf(placed);
  const [right, bottom] = [left + wide, top + high];
  const isWithin = x >= left - reach && x <= right + reach && y >= top - reach && y <= bottom + reach;
  const isInside = x > left + reach && x < right - reach && y > top + reach && y < bottom - reach;
  return isWithin && !isInside; // what is inside a box stays in reach
}

/**
 * From a spot to a segment.
 * @param {Spot} a
 * @param {Spot} b
 * @param {number} x
 * @param {number} y
 */
function distance(a, b, x, y) {
  const [dx, dy] = [b.x - a.x, b.y - a.y];
  const along = ((x - a.x) * dx + (y - a.y) * dy) / (dx * dx + dy * dy || 1);
  const at = Math.min(1, Math.max(0, along));
  return Math.hypot(x - a.x - at * dx, y - a.y - at * dy);
}
