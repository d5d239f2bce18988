// @ts-check
/**
 * Shift-drag measures: percent, time, and the USD that stands and was liquidated inside the box.
 * @module
 */

import { RUNG_USD } from "../data/ladder.js";
import { duration, price as priceText, signedPercent, usd } from "../data/format.js";
import { h, put } from "../panels/dom.js";

/** @typedef {import("../chart/chart-view.js").ChartView} ChartView */
/** @typedef {import("../chart/chart-view.js").Point} Point */

export class Measure {
  #view;
  #parent;
  #box = h("div", { class: "measure", hidden: true });
  #label = h("div", { class: "measure-label", hidden: true });
  /** @type {Point | null} */
  #from = null;
  /** Whether the next drag measures without Shift, for touch. */
  armed = false;

  /** @param {HTMLElement} parent @param {ChartView} view */
  constructor(parent, view) {
    this.#parent = parent;
    this.#view = view;
    parent.append(this.#box, this.#label);
    // The chart listens to mouse and touch events on its canvases: a measuring drag must not reach it.
    parent.addEventListener("pointerdown", (event) => this.#begin(event), true);
    for (const kind of ["mousedown", "touchstart"]) parent.addEventListener(kind, (event) => this.#from && event.stopPropagation(), true);
    parent.addEventListener("pointermove", (event) => this.#from && this.#stretch(event), true);
    parent.addEventListener("pointerup", () => (this.#from = null), true);
  }

  clear() {
    this.#from = null;
    this.#box.hidden = this.#label.hidden = true;
  }

  /** @param {PointerEvent} event */
  #begin(event) {
    if (!(event.shiftKey || this.armed)) return this.clear();
    const point = this.#point(event);
    if (!point) return;
    this.armed = false;
    this.#from = point;
    this.#parent.setPointerCapture(event.pointerId);
    event.preventDefault();
    event.stopPropagation();
  }

  /** @param {PointerEvent} event */
  #point({ clientX, clientY }) {
    const { left, top } = this.#parent.getBoundingClientRect();
    return this.#view.pointAt(clientX - left, clientY - top);
  }

  /** @param {PointerEvent} event */
  #stretch(event) {
    const to = this.#point(event);
    const from = this.#from;
    event.stopPropagation();
    if (!to || !from) return;
    const [left, top] = [Math.min(from.x, to.x), Math.min(from.y, to.y)];
    Object.assign(this.#box.style, { left: `${left}px`, top: `${top}px`, width: `${Math.abs(to.x - from.x)}px`, height: `${Math.abs(to.y - from.y)}px` });
    this.#box.hidden = this.#label.hidden = false;
    this.#box.classList.toggle("down", to.price < from.price);
    const { standing, realised } = inside(this.#view, from, to);
    put(
      this.#label,
      h("b", {}, signedPercent(to.price / from.price - 1)),
      h("span", {}, `${priceText(Math.abs(to.price - from.price))} · ${duration(Math.abs(to.timeMs - from.timeMs))} · ${Math.abs(to.column - from.column)} columns`),
      h("span", {}, `${usd(standing)} standing at its right edge`),
      realised > 0 && h("span", {}, `${usd(realised)} liquidated inside`),
    );
    const x = Math.min(left, this.#view.pane.width - this.#label.offsetWidth - 8);
    const y = top > this.#label.offsetHeight + 10 ? top - this.#label.offsetHeight - 6 : Math.max(from.y, to.y) + 6;
    this.#label.style.transform = `translate(${Math.max(4, x)}px, ${y}px)`;
  }
}

/** @param {ChartView} view @param {Point} a @param {Point} b */
export function inside({ market }, a, b) {
  const matrix = market?.matrix;
  if (!market || !matrix) return { standing: 0, realised: 0 };
  const [low, high] = [Math.min(a.price, b.price), Math.max(a.price, b.price)];
  const [from, to] = [Math.min(a.timeMs, b.timeMs), Math.max(a.timeMs, b.timeMs) + matrix.intervalMs];
  const cells = matrix.column(Math.min(Math.max(a.column, b.column), matrix.end - 1));
  let standing = 0;
  for (let r = Math.max(0, matrix.rowAt(low)); cells && r <= Math.min(matrix.rows - 1, matrix.rowAt(high)); r++) {
    standing += RUNG_USD[cells.long[r]] + RUNG_USD[cells.short[r]];
  }
  let realised = 0;
  for (const l of market.liquidations) {
    if (l.timeMs >= from && l.timeMs < to && l.price >= low && l.price <= high) realised += l.usd;
  }
  return { standing, realised };
}
