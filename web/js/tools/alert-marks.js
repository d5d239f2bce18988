// @ts-check
/**
 * The levels of the alerts as handles one drags along the price axis.
 * @module
 */

import { price as priceText } from "../data/format.js";
import { announce, h } from "../panels/dom.js";

/** @typedef {import("./alerts.js").Alerts} Alerts */

/** Levels as handles on the price axis of one map. */
export class AlertMarks {
  #alerts;
  #view;
  #parent;
  #layer = h("div", { class: "marks" });
  #plus = h(
    "button",
    { type: "button", class: "plus", title: "Alert here", "aria-label": "Alert at this price", hidden: true },
    "+",
  );

  /**
   * @param {HTMLElement} parent the chart's element
   * @param {import("../chart/chart-view.js").ChartView} view
   * @param {Alerts} alerts
   */
  constructor(parent, view, alerts) {
    this.#parent = parent;
    this.#view = view;
    this.#alerts = alerts;
    parent.append(this.#layer, this.#plus);
    this.leave = alerts.subscribe(() => this.draw());
    parent.addEventListener("pointermove", (event) => this.#placePlus(event));
    parent.addEventListener("pointerleave", () => (this.#plus.hidden = true));
    this.#plus.addEventListener("click", () => this.addAt(Number(this.#plus.dataset.y)));
  }

  /** Sets an alert at the price there. @param {number} y media px within the chart */
  addAt(y) {
    const price = this.#priceAt(y);
    const symbol = this.#view.market?.symbol;
    if (price && symbol) this.#alerts.addLevel(symbol, price);
  }

  draw() {
    const symbol = this.#view.market?.symbol;
    const levels = this.#alerts.rules.levels.filter((level) => level.symbol === symbol);
    while (this.#layer.children.length > levels.length) this.#layer.lastElementChild?.remove();
    while (this.#layer.children.length < levels.length) this.#layer.append(this.#mark());
    levels.forEach((level, i) => {
      const mark = /** @type {HTMLElement} */ (this.#layer.children[i]);
      const y = this.#view.yOf(level.price);
      mark.hidden = y === null || y < 0 || y > this.#view.pane.height;
      mark.style.transform = `translateY(${Math.round(y ?? 0)}px)`;
      mark.dataset.price = String(level.price);
      const handle = /** @type {HTMLElement} */ (mark.firstElementChild);
      handle.textContent = priceText(level.price);
      handle.setAttribute(
        "aria-label",
        `Alert at ${priceText(level.price)}; drag, or arrow keys; Delete removes it`,
      );
      handle.style.minWidth = `${this.#parent.clientWidth - this.#view.pane.width}px`;
    });
  }

  #mark() {
    const handle = h("button", { type: "button", class: "mark-handle" });
    const mark = h("div", { class: "mark" }, handle);
    handle.addEventListener("pointerdown", (event) => {
      handle.setPointerCapture(event.pointerId);
      event.stopPropagation();
    });
    handle.addEventListener("pointermove", (event) => {
      if (handle.hasPointerCapture(event.pointerId)) {
        this.#move(mark, this.#priceAt(event.clientY - this.#parent.getBoundingClientRect().top));
      }
    });
    handle.addEventListener("keydown", (event) => {
      const direction = { ArrowUp: 1, ArrowDown: -1 }[event.key];
      const step = this.#view.market?.matrix?.step ?? 1;
      if (event.key === "Delete" || event.key === "Backspace") this.#remove(mark);
      else if (direction) {
        this.#move(mark, Number(mark.dataset.price) + direction * step);
        announce(`Alert at ${handle.textContent}`);
      } else return;
      event.preventDefault();
      event.stopPropagation();
    });
    return mark;
  }

  /** Its focus goes to the next one, or to the map. @param {HTMLElement} mark */
  #remove(mark) {
    this.#move(mark, null);
    const next = /** @type {HTMLElement | null} */ (this.#layer.querySelector(".mark:not([hidden]) button"));
    (next ?? this.#parent).focus();
    announce("Alert removed");
  }

  /**
   * @param {HTMLElement} mark
   * @param {number | null} price null removes it
   */
  #move(mark, price) {
    const symbol = this.#view.market?.symbol;
    const at = Number(mark.dataset.price);
    const levels = this.#alerts.rules.levels.flatMap((level) =>
      level.symbol !== symbol || level.price !== at ? [level] : price ? [{ ...level, price }] : [],
    );
    this.#alerts.set({ levels });
  }

  /**
   * @param {number} y
   * @returns {number | null} rounded to the grid's own decimals
   */
  #priceAt(y) {
    const price = this.#view.pointAt(1, y)?.price ?? null;
    const step = (this.#view.market?.matrix?.step ?? 1) / 10;
    return price === null ? null : Number((Math.round(price / step) * step).toPrecision(8));
  }

  /** @param {PointerEvent} event */
  #placePlus(event) {
    const { left, top } = this.#parent.getBoundingClientRect();
    const [x, y] = [event.clientX - left, event.clientY - top];
    const { width, height } = this.#view.pane;
    this.#plus.hidden =
      x < width - 26 ||
      y > height ||
      this.#layer.contains(/** @type {Node} */ (event.target)) ||
      event.buttons > 0;
    if (this.#plus.hidden || event.target === this.#plus) return;
    this.#plus.dataset.y = String(y);
    this.#plus.style.transform = `translate(${width - 26}px, ${y - 12}px)`;
  }
}
