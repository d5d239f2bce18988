// @ts-check
/**
 * One map on the page: chart, profile, tooltip, caption, empty state and the way back to now.
 * @module
 */

import { ChartView } from "../chart/chart-view.js";
import { duration, price as priceText, partText, usd } from "../data/format.js";
import { UNKNOWN } from "../chart/viewport.js";
import { h, put } from "./dom.js";
import { estimateNote } from "./estimate.js";

/** @typedef {import("../data/market.js").Market} Market */
/** @typedef {import("../state/view-state.js").ViewState} ViewState */
/**
 * @typedef {object} Overlay
 * @property {() => void} draw called when prices may be elsewhere on the screen
 * @property {() => void} destroy called when the map goes
 */
/**
 * @typedef {object} SlotOptions
 * @property {boolean} compact one of several maps
 * @property {string} window its own, of a layout; empty: that of all maps
 * @property {boolean} profile whether the profile is shown
 * @property {(point: import("../chart/chart-view.js").Point | null) => void} onHover the crosshair moved;
 * null: left
 * @property {() => void} onRange the range of time in sight changed
 * @property {(patch: import("../state/view-state.js").Patch) => void} onGesture the viewer's gesture is over
 */

/** A history that comes sooner needs no word. */
const VEIL_MS = 100;
const FLASH_MS = 1000;
const MINUTE_MS = 60_000;

export class MapSlot {
  #caption = h("div", { class: "caption" });
  #empty = h("div", { class: "empty" });
  #pill = h("button", {
    type: "button",
    class: "pill",
    hidden: true,
    title: "Back to now (End)",
    "aria-label": "Back to now",
  });
  /** Beside the time axis: the zone its times are of. */
  #zone = h("div", { class: "zone" });
  /** @type {import("../data/format.js").Clock | null} the clock it was written for */
  #zoneOf = null;
  #veil = h("div", { class: "veil", hidden: true, role: "status" });
  #reset = h("button", { type: "button", class: "reset", hidden: true }, "Nothing in sight: R resets");
  /** @type {ReturnType<typeof setTimeout> | undefined} the timer that shows the veil */
  #veiling;
  /** The window that is on its way over the map of another one; empty: none is. */
  #awaited = "";
  #arrived = 0;
  #error = "";
  #frame = 0;
  /** @type {import("../chart/chart-view.js").Point | null} */
  #hovered = null;
  #leave = () => {};
  #onHover;
  #onRange;
  #resized;
  /** @type {Overlay[]} */
  #overlays = [];
  /** @type {import("./tooltip.js").Tooltip | null} comes after the first picture, like the profile */
  tooltip = null;
  /** @type {import("./profile.js").Profile | null} */
  profile = null;

  /**
   * @param {ViewState} state
   * @param {SlotOptions} options
   */
  constructor(state, { compact, window, profile, onHover, onRange, onGesture }) {
    this.window = window;
    this.#onHover = onHover;
    this.#onRange = onRange;
    this.chartElement = h("div", {
      class: "chart",
      tabindex: 0,
      role: "application",
      "aria-label": "Heatmap; arrow keys move, plus and minus zoom",
    });
    this.profileElement = h("div", { class: "profile", hidden: !profile });
    this.element = h("div", { class: "map" }, this.chartElement, this.profileElement);
    this.view = new ChartView(this.chartElement, state, {
      compact,
      onMove: () => this.#moved(),
      onGesture: (patch) => {
        // A price that is dragged is no move of the chart's. What ended a gesture may have removed the map.
        if (this.element.isConnected) this.#drawReset();
        onGesture(patch);
      },
    });
    // The chart keeps its range through a resize, so that nothing else tells of it; it lays itself out a
    // frame later.
    this.#resized = new ResizeObserver(() =>
      requestAnimationFrame(() => requestAnimationFrame(() => this.element.isConnected && this.#moved())),
    );
    this.#resized.observe(this.chartElement);
    const notes = [this.#caption, this.#empty, this.#veil, estimateNote()];
    const parts = [...notes, this.#zone, this.#reset, this.#pill];
    this.chartElement.append(...parts);
    this.#reset.addEventListener("click", () => {
      this.view.viewport.freePrices();
      this.view.viewport.fitTime();
      onGesture({ times: [], prices: [], fit: "near" });
    });
    this.view.colours.subscribe(() => this.#updateSoon());
    this.view.chart.subscribeCrosshairMove((event) => this.#hover(event));
    this.#pill.addEventListener("click", () => this.goLive());
  }

  /**
   * What is not needed for the first picture.
   * @param {object} parts
   * @param {import("./tooltip.js").Tooltip} parts.tooltip
   * @param {import("./profile.js").Profile} parts.profile
   * @param {import("../chart/liquidations-primitive.js").LiquidationsPrimitive} parts.dots
   */
  addParts({ tooltip, profile, dots }) {
    this.tooltip = tooltip;
    this.profile = profile;
    this.view.showDots(dots);
    profile.request();
  }

  /**
   * Adds what is drawn over the chart by the prices' places, and draws it.
   * @param {Overlay} overlay
   */
  addOverlay(overlay) {
    this.#overlays.push(overlay);
    overlay.draw();
  }

  /**
   * @param {Market} market
   * @param {string} error why there is no history
   */
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
    clearTimeout(this.#veiling);
    this.#resized.disconnect();
    for (const overlay of this.#overlays) overlay.destroy();
    this.view.destroy();
    this.element.remove();
  }

  goLive() {
    this.#arrived = 0;
    this.view.viewport.goLive();
    this.#drawPill();
  }

  /** Another window is on its way: says so over the map of the one before. @param {string} window */
  showLoading(window) {
    clearTimeout(this.#veiling);
    if (!this.view.market?.matrix) return;
    this.#awaited = window;
    this.#veil.textContent = `Loading ${window}`;
    this.#veiling = setTimeout(() => (this.#veil.hidden = false), VEIL_MS);
  }

  /**
   * It came, or failed, which the map of another window has written over it.
   * @param {string} error empty: it came
   */
  showLoaded(error) {
    clearTimeout(this.#veiling);
    if (!error) this.#awaited = "";
    this.#veil.hidden = !this.#awaited;
    if (this.#awaited) this.#veil.textContent = `${this.#awaited} did not load: ${failureText(error)}`;
  }

  /** Points at a price for a moment. @param {number} price in sight */
  flash(price) {
    const line = h("div", { class: "flash" });
    line.style.top = `${this.view.yOf(price) ?? 0}px`;
    this.chartElement.append(line);
    setTimeout(() => line.remove(), FLASH_MS);
  }

  /** However many messages a frame brings, it is drawn once. */
  #updateSoon() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.update();
    });
  }

  /** @param {string} [error] why there is no history, if that changed */
  update(error = this.#error) {
    this.#error = error;
    const { market } = this.view;
    if (!market) return;
    this.profile?.request();
    this.#drawReset();
    for (const overlay of this.#overlays) overlay.draw();
    this.#followPointer();
    const { clock } = this.view;
    const zone = clock.offsetText(market.now?.timeMs ?? Date.now());
    if (this.#zone.textContent !== zone || this.#zoneOf !== clock) {
      this.#zoneOf = clock;
      this.#zone.textContent = zone;
      this.#zone.title = `Times are ${clock.zone}`; // which takes a formatter: not with every message
    }
    const { shown, at } = market;
    put(
      this.#caption,
      market.symbol,
      this.window && h("span", { class: "own-window" }, this.window),
      shown && h("span", {}, priceText(shown.price)),
      at !== null && shown && h("span", { class: "then" }, `as of ${clock.format(shown.timeMs, "stamp")}`),
      partText(market) && h("span", { class: "venues" }, partText(market)),
      market.now?.stale && h("span", { class: "label stale" }, "STALE"),
    );
    this.#drawEmpty(market);
  }

  /** Where the pointer rests are other figures by now, and another column once the map has moved on. */
  #followPointer() {
    const before = this.#hovered;
    const point = before && this.view.pointAt(before.x, before.y);
    if (!point) return;
    this.#hovered = point;
    this.tooltip?.show(point);
    if (point.column !== before.column) this.#onHover(point);
  }

  /** @param {Market} market */
  #drawEmpty(market) {
    const { header, matrix } = market;
    this.#empty.hidden = false;
    this.#empty.classList.toggle("corner", Boolean(matrix));
    if (!matrix) {
      if (this.#error) {
        const text = failureText(this.#error);
        put(this.#empty, h("strong", {}, `No map of ${market.symbol} yet`), h("span", {}, text));
      } else put(this.#empty, h("span", {}, `Loading ${market.symbol}`));
      return;
    }
    const [known, window] = [matrix.end - matrix.firstKnown, matrix.end - matrix.first].map(
      (columns) => columns * matrix.intervalMs,
    );
    const [gap] = header?.gaps ?? [];
    if (matrix.intervalMs === MINUTE_MS && gap?.[1] === header?.columns) {
      put(this.#empty, "No bars of a minute are recorded here yet: this window is drawn of them");
    } else if (this.#error && !this.#awaited) {
      put(this.#empty, `The newest history did not load: ${failureText(this.#error)}`);
    } else if (header?.quality.includes("no_open_interest") && !this.view.colours.auto) {
      put(this.#empty, "No open interest is known of this market: nothing to estimate levels from");
    } else if (header?.quality.includes("warming_up")) {
      put(this.#empty, `Warming up: only ${duration(known)} of history so far`);
    } else if (known < window * (1 - UNKNOWN)) {
      put(this.#empty, `Only ${duration(known)} of history so far`);
    } else if (this.view.colours.hidesAll) {
      put(this.#empty, `Nothing above ${usd(this.view.colours.low)}`);
    } else this.#empty.hidden = true;
  }

  #drawReset() {
    const { market, viewport } = this.view;
    const matrix = market?.matrix;
    const [[from = 0, to = 0], [low = 0, high = 0]] = [viewport.times(), viewport.prices()];
    const empty =
      matrix &&
      high > low &&
      (to <= matrix.timeOf(matrix.first) ||
        from >= matrix.timeOf(matrix.end) ||
        high <= (market.whole ?? matrix).bottom ||
        low >= (market.whole ?? matrix).top);
    this.#reset.hidden = !empty;
  }

  #moved() {
    this.#drawReset();
    this.#keepOffAxis();
    if (this.view.viewport.following) this.#arrived = 0;
    this.profile?.follow();
    this.#drawPill();
    for (const overlay of this.#overlays) overlay.draw();
    this.#onRange();
  }

  /** What floats over the map stays off the axis of prices, which is as wide as they are long. */
  #keepOffAxis() {
    const width = `${this.view.chart.priceScale("right").width() || 60}px`;
    const { style } = this.chartElement;
    if (style.getPropertyValue("--axis") !== width) style.setProperty("--axis", width);
  }

  #drawPill() {
    const hidden = this.view.viewport.following || !this.view.market?.matrix;
    this.#pill.hidden = hidden;
    const text = this.#arrived ? `Live · ${this.#arrived} new` : "Live";
    // Another text, be it the same, would have the page laid out anew with every frame of a drag.
    if (!hidden && this.#pill.textContent !== text) this.#pill.textContent = text;
  }

  /** @param {import("../chart/chart-library.js").MouseEventParams} event */
  #hover(event) {
    const point =
      event.point && event.logical !== undefined ? this.view.pointAt(event.point.x, event.point.y) : null;
    const onMap = event.sourceEvent && !event.paneIndex && point && point.x >= 0;
    const inside = onMap && point.x <= this.view.pane.width ? point : null;
    if (!event.sourceEvent && event.point) return; // set by a linked map
    this.#hovered = inside;
    if (inside) this.tooltip?.show(inside);
    else this.tooltip?.hide();
    this.profile?.setCrosshair(inside?.y ?? null);
    this.#onHover(inside);
  }
}

/**
 * Why a history did not come, and that it is requested again; browsers have no sentence for a server out of
 * reach.
 * @param {string} error
 */
function failureText(error) {
  const unreachable = /failed to fetch|networkerror|load failed/i.test(error);
  return `${unreachable ? "no answer from the server" : error.replace(/\.$/, "")}. Trying again.`;
}
