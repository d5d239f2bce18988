// @ts-check
/**
 * Shift-drag measures: percent, time, the levels and the liquidations inside the box.
 * @module
 */

import { DEQUANTISED } from "../data/quantise.js";
import { counted, duration, price as priceText, priceDecimals, signedPercent, usd } from "../data/format.js";
import { h, put } from "../panels/dom.js";

/** @typedef {import("../chart/chart-view.js").ChartView} ChartView */
/** @typedef {import("../chart/chart-view.js").Point} Point */

export class Measure {
  #view;
  #parent;
  #box = h("div", { class: "measure", hidden: true });
  #label = h("div", { class: "measure-label", hidden: true });
  /** @type {Point | null} where it began */
  #from = null;
  /** @type {Point | null} where it ends, or is now */
  #to = null;
  /** The market it is of. */
  #symbol = "";
  #dragging = false;
  /** Whether the next drag measures without Shift: fingers have none. */
  armed = false;
  #onDone;

  /**
   * @param {HTMLElement} parent
   * @param {ChartView} view
   * @param {() => void} onDone called when a drag has ended
   */
  constructor(parent, view, onDone) {
    this.#parent = parent;
    this.#view = view;
    this.#onDone = onDone;
    parent.append(this.#box, this.#label);
    // The chart listens to mouse and touch events on its canvases: a measuring drag must not reach it.
    parent.addEventListener("pointerdown", (event) => this.#begin(event), true);
    for (const kind of ["mousedown", "touchstart", "touchmove"]) {
      parent.addEventListener(kind, (event) => this.#takes(event), { capture: true, passive: false });
    }
    parent.addEventListener("pointermove", (event) => this.#stretch(event), true);
    for (const kind of ["pointerup", "pointercancel"]) {
      parent.addEventListener(kind, () => this.#end(), true);
    }
  }

  /** Removes the box. @returns {boolean} whether there was one */
  clear() {
    const shown = this.#to !== null;
    this.#from = this.#to = null;
    this.#dragging = false;
    this.draw();
    return shown;
  }

  /** Puts the box where its times and prices are now. */
  draw() {
    const { market } = this.#view;
    if (this.#to && market?.symbol !== this.#symbol) this.#from = this.#to = null;
    const [from, to] = [this.#placed(this.#from), this.#placed(this.#to)];
    this.#box.hidden = this.#label.hidden = !from || !to;
    if (!from || !to) return;
    const { width, height } = this.#view.pane;
    const clip = (/** @type {number} */ value, /** @type {number} */ most) =>
      Math.min(most, Math.max(0, value));
    const [left, right] = [Math.min(from.x, to.x), Math.max(from.x, to.x)].map((x) => clip(x, width));
    const [top, bottom] = [Math.min(from.y, to.y), Math.max(from.y, to.y)].map((y) => clip(y, height));
    if (right <= left || bottom <= top) {
      this.#box.hidden = this.#label.hidden = true; // out of sight, and there again when it is in sight
      return;
    }
    Object.assign(this.#box.style, {
      left: `${left}px`,
      top: `${top}px`,
      width: `${right - left}px`,
      height: `${bottom - top}px`,
    });
    this.#box.classList.toggle("down", to.price < from.price);
    this.#write(from, to);
    const x = Math.min(left, width - this.#label.offsetWidth - 8);
    const y = top > this.#label.offsetHeight + 10 ? top - this.#label.offsetHeight - 6 : bottom + 6;
    const labelY = Math.min(y, height - this.#label.offsetHeight);
    this.#label.style.transform = `translate(${Math.max(4, x)}px, ${labelY}px)`;
  }

  /**
   * @param {Point} from
   * @param {Point} to
   */
  #write(from, to) {
    const { standing, realised } = inside(this.#view, from, to);
    const levels = standing === null ? "No data" : `${usd(standing)} of levels inside,`;
    const [price, time] = [Math.abs(to.price - from.price), Math.abs(to.timeMs - from.timeMs)];
    const columns = Math.abs(to.column - from.column);
    const moved = priceText(price, priceDecimals(to.price));
    put(
      this.#label,
      h("b", {}, signedPercent(to.price / from.price - 1)),
      h("span", {}, `${moved} · ${duration(time)} · ${counted(columns, "bar")}`),
      h("span", {}, `${levels} at the right edge`),
      realised > 0 && h("span", {}, `${usd(realised)} of liquidations inside`),
    );
  }

  /**
   * A corner where its time and price are on the screen now, which may be another window's.
   * @param {Point | null} point
   * @returns {Point | null}
   */
  #placed(point) {
    const matrix = this.#view.market?.matrix;
    if (!point || !matrix) return null;
    const column = matrix.columnAt(point.timeMs);
    const [x, y] = [this.#view.xOf(column), this.#view.yOf(point.price)];
    return x === null || y === null ? null : { ...point, column, x, y };
  }

  /** @param {PointerEvent} event */
  #begin(event) {
    if (event.target instanceof Element && event.target.closest("button")) return;
    this.clear();
    if (!event.shiftKey && !this.armed) return;
    const point = this.#point(event);
    if (!point) return;
    this.#from = point;
    this.#symbol = this.#view.market?.symbol ?? "";
    this.#dragging = true;
    this.#parent.setPointerCapture(event.pointerId);
    event.preventDefault();
    event.stopPropagation();
  }

  /** @param {Event} event of the mouse or a finger */
  #takes(event) {
    if (!this.#dragging) return;
    event.stopPropagation();
    if (event.type !== "mousedown") event.preventDefault();
  }

  /** @param {PointerEvent} event */
  #point({ clientX, clientY }) {
    const { left, top } = this.#parent.getBoundingClientRect();
    return this.#view.pointAt(clientX - left, clientY - top);
  }

  /** @param {PointerEvent} event */
  #stretch(event) {
    if (!this.#dragging) return;
    event.stopPropagation();
    this.#to = this.#point(event) ?? this.#to;
    this.draw();
  }

  #end() {
    if (!this.#dragging) return;
    this.#dragging = false;
    this.#onDone();
  }
}

/**
 * @param {ChartView} view
 * @param {Point} a
 * @param {Point} b
 * @returns {{ standing: number | null, realised: number }} USD of levels at the right edge, null where none
 * were recorded then, and of liquidations
 */
export function inside({ market }, a, b) {
  const matrix = market?.matrix;
  if (!market || !matrix) return { standing: null, realised: 0 };
  const [low, high] = [Math.min(a.price, b.price), Math.max(a.price, b.price)];
  const [from, to] = [Math.min(a.timeMs, b.timeMs), Math.max(a.timeMs, b.timeMs) + matrix.intervalMs];
  const right = Math.min(Math.max(a.column, b.column), matrix.end - 1);
  const cells = matrix.candle(right) && matrix.column(right);
  let standing = 0;
  for (
    let r = Math.max(0, matrix.rowAt(low));
    cells && r <= Math.min(matrix.rows - 1, matrix.rowAt(high));
    r++
  ) {
    standing += DEQUANTISED[cells.long[r]] + DEQUANTISED[cells.short[r]];
  }
  let realised = 0;
  for (const l of market.liquidations) {
    if (l.timeMs >= from && l.timeMs < to && l.price >= low && l.price <= high) realised += l.usd;
  }
  return { standing: cells ? standing : null, realised };
}
