// @ts-check
/**
 * One map on the page: chart, profile, tooltip, caption, empty state and the way back to now.
 * @module
 */

import { ChartView } from "../chart/chart-view.js";
import { duration, price as priceText, venuesText } from "../data/format.js";
import { UNKNOWN } from "../chart/viewport.js";
import { h, put } from "./dom.js";

/** @typedef {import("../data/market.js").Market} Market */
/** @typedef {import("../state/store.js").ViewState} ViewState */

export class MapSlot {
  #caption = h("div", { class: "caption" });
  #empty = h("div", { class: "empty" });
  #pill = h("button", { type: "button", class: "pill", hidden: true, title: "Back to now (End)", "aria-label": "Back to now" });
  #arrived = 0;
  #error = "";
  #frame = 0;
  /** @type {import("../chart/chart-view.js").Point | null} */
  #hovered = null;
  #leave = () => {};
  /** Called when the crosshair moved; null: left. @type {(point: import("../chart/chart-view.js").Point | null) => void} */
  onHover = () => {};
  /** Called when prices may be elsewhere on the screen. */
  onDraw = () => {};
  onDestroy = () => {};
  /** @type {import("./tooltip.js").Tooltip | null} comes after the first picture, like the profile */
  tooltip = null;
  /** @type {import("./profile.js").Profile | null} */
  profile = null;
  /** Called when the range of time in sight changed. */
  onRange = () => {};

  /** @param {ViewState} state @param {{ compact: boolean, profile: boolean }} options */
  constructor(state, { compact, profile }) {
    this.chartElement = h("div", { class: "chart", tabindex: 0, role: "application", "aria-label": "Heatmap; arrow keys move, plus and minus zoom" });
    this.profileElement = h("div", { class: "profile", hidden: !profile });
    this.element = h("div", { class: "map" }, this.chartElement, this.profileElement);
    this.view = new ChartView(this.chartElement, state, { compact });
    this.chartElement.append(this.#caption, this.#empty, this.#pill);
    this.view.onMove = () => this.#moved();
    this.view.chart.subscribeCrosshairMove((event) => this.#hover(event));
    this.#pill.addEventListener("click", () => this.goLive());
  }

  /** What is not needed for the first picture. @param {{ tooltip: import("./tooltip.js").Tooltip, profile: import("./profile.js").Profile, dots: import("../chart/dots-primitive.js").DotsPrimitive }} parts */
  furnish({ tooltip, profile, dots }) {
    this.tooltip = tooltip;
    this.profile = profile;
    this.view.showDots(dots);
    profile.request();
  }

  /** @param {Market} market @param {string} error why there is no history */
  show(market, error = "") {
    this.#leave();
    this.#arrived = 0;
    this.view.show(market);
    this.#leave = market.subscribe((change) => {
      if (change === "appended" && !this.view.viewport.following) this.#arrived += 1;
      if (change === "now" || change === "mix" || change === "history") this.#updateSoon();
      if (change === "appended" || change === "history") this.#drawPill();
    });
    this.update(error);
  }

  destroy() {
    this.#leave();
    cancelAnimationFrame(this.#frame);
    this.onDestroy();
    this.view.destroy();
    this.element.remove();
  }

  goLive() {
    this.#arrived = 0;
    this.view.viewport.goLive();
    this.#drawPill();
  }

  /** However many messages a frame brings, it is drawn once. */
  #updateSoon() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.update();
    });
  }

  /** @param {string} [error] why there is no history, if that is news */
  update(error = this.#error) {
    this.#error = error;
    const { market } = this.view;
    if (!market) return;
    this.profile?.request();
    this.onDraw();
    if (this.#hovered) this.tooltip?.show(this.#hovered); // its figures live too
    const price = market.now?.price;
    put(this.#caption, market.symbol, price && h("span", {}, priceText(price)), market.chosen.length > 0 && h("span", { class: "venues" }, venuesText(market.chosen)), market.now?.stale && h("span", { class: "label stale" }, "STALE"));
    this.#drawEmpty(market);
  }

  /** @param {Market} market */
  #drawEmpty(market) {
    const { header, matrix } = market;
    this.#empty.hidden = false;
    this.#empty.classList.toggle("corner", Boolean(matrix));
    if (!matrix) {
      if (this.#error) put(this.#empty, h("strong", {}, `No map of ${market.symbol} yet`), h("span", {}, this.#error));
      else put(this.#empty, h("span", {}, `Loading ${market.symbol}`));
      return;
    }
    const [known, window] = [matrix.end - matrix.firstKnown, matrix.end - matrix.first].map((columns) => columns * matrix.intervalMs);
    if (header?.quality.includes("warming_up")) put(this.#empty, `Warming up: ${duration(known)} of history so far`);
    else if (known < window * (1 - UNKNOWN)) put(this.#empty, `${duration(known)} of ${duration(window)} recorded`);
    else this.#empty.hidden = true;
  }

  #moved() {
    if (this.view.viewport.following) this.#arrived = 0;
    this.profile?.request();
    this.#drawPill();
    this.onDraw();
    this.onRange();
  }

  #drawPill() {
    const hidden = this.view.viewport.following || !this.view.market?.matrix;
    this.#pill.hidden = hidden;
    if (!hidden) this.#pill.textContent = this.#arrived ? `Live · ${this.#arrived} new` : "Live";
  }

  /** @param {any} event */
  #hover(event) {
    const point = event.point && event.logical !== undefined ? this.view.pointAt(event.point.x, event.point.y) : null;
    const inside = event.sourceEvent && point && point.x >= 0 && point.x <= this.view.pane.width ? point : null;
    if (!event.sourceEvent && event.point) return; // set by a linked map
    this.#hovered = inside;
    if (inside) this.tooltip?.show(inside);
    else this.tooltip?.hide();
    this.profile?.setCrosshair(inside?.y ?? null);
    this.onHover(inside);
  }
}
