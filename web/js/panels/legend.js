// @ts-check
/**
 * The colour bar, which is also the threshold: one handle hides what is less, the other marks where the
 * colour is full; both in USD.
 * @module
 */

import { colourOf, cssColour, shares } from "../chart/colour-scale.js";
import { PALETTES } from "../chart/palettes.js";
import { DEQUANTISED, quantise } from "../data/quantise.js";
import { usd } from "../data/format.js";
import { h, put, sharp } from "./dom.js";

/** @typedef {import("../state/view-state.js").ViewStore} ViewStore */
/** @typedef {import("../chart/chart-view.js").ChartView} ChartView */

/** What a colour says. @type {Record<import("../state/view-state.js").ViewState["view"], string>} */
const MEANING = {
  clusters: "Cluster strength per level (USD)",
  density: "Liquidation leverage per level (USD)",
};
const MEASURED_MEANING = "Known positions at their liquidation price (USD)";
const SET_BY_HAND = "Set by hand; double-click the bar to reset it";
/** The bar reaches this far beyond where the colour is full, for the handle to go on. */
const REACH = 2.5;
const KEY_STEP = 0.02;

/**
 * @param {import("../data/market.js").Market | null | undefined} market
 * @param {import("../state/view-state.js").ViewState["view"]} view
 * @returns {string} what its colours mean; levels of measured positions are no estimate
 */
export function meaningOf(market, view) {
  const measured = view === "density" && market?.chosen[0]?.endsWith("-measured");
  return measured ? MEASURED_MEANING : MEANING[view];
}

export class Legend {
  #store;
  #canvas = h("canvas", { "aria-hidden": "true" });
  #low;
  #high;
  #lock;
  #title = h("span", { class: "legend-title" });
  /** The figures of the handles, and of the bar's ends. */
  #texts = { low: h("output"), high: h("output") };
  #ends = { low: h("span", { class: "end" }), high: h("span", { class: "end" }) };
  /** @type {ChartView | null} */
  #view = null;
  /** USD at the right end. */
  #end = 0;
  #dragging = false;
  #frame = 0;
  #unsubscribe = () => {};

  /**
   * @param {HTMLElement} element
   * @param {ViewStore} store
   */
  constructor(element, store) {
    this.#store = store;
    this.#low = this.#handle("low", "Hide levels below");
    this.#high = this.#handle("high", "Full colour at");
    this.#lock = h(
      "button",
      {
        type: "button",
        class: "lock",
        title: "Lock colour scale (L)",
        "aria-label": "Lock colour scale",
        onclick: () => this.toggleLock(),
      },
      lockIcon(),
    );
    this.track = h("div", { class: "track" }, this.#canvas, this.#low, this.#high);
    this.#low.append(this.#texts.low);
    this.#high.append(this.#texts.high);
    put(element, this.#title, this.#ends.low, this.track, this.#ends.high, this.#lock);
    new ResizeObserver(() => this.draw()).observe(this.track);
    this.track.addEventListener("dblclick", () => store.set({ low: null, high: null }));
  }

  /** @param {ChartView} view */
  show(view) {
    this.#unsubscribe();
    this.#view = view;
    this.#end = 0;
    this.#unsubscribe = view.colours.subscribe(() => this.draw());
    this.draw();
  }

  /** How many levels of all prices one of those shown is: figures chosen are of the former. */
  get #levelShare() {
    return this.#view?.market?.levelShare ?? 1;
  }

  toggleLock() {
    const { lock } = this.#store.state;
    this.#store.set({ lock: !lock });
  }

  /** At most once a frame. */
  draw() {
    if (!this.#frame) this.#frame = requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    this.#frame = 0;
    const { colours } = this.#view ?? {};
    const { state } = this.#store;
    const of = this.#view?.compact ? `${this.#view.market?.symbol}: ` : "";
    this.#title.textContent = of + meaningOf(this.#view?.market, state.view);
    this.#lock.setAttribute("aria-pressed", String(state.lock));
    if (!colours?.high) return;
    const wanted = Math.max(colours.auto || colours.high, (state.high ?? 0) * this.#levelShare) * REACH;
    if (!this.#dragging && (!this.#end || wanted > this.#end || wanted < this.#end / 2)) this.#end = wanted;
    this.#paint(colours);
    this.#place(this.#low, colours.low);
    this.#place(this.#high, colours.high);
    this.#ends.low.textContent = "$0";
    this.#ends.high.textContent = usd(this.#end);
    this.#texts.low.textContent = `≥ ${usd(colours.low)}`;
    this.#texts.low.title = state.low === null ? "A tenth of full colour" : SET_BY_HAND;
    this.#texts.high.textContent = usd(colours.high) + (state.high === null ? "" : " ●");
    this.#texts.high.title =
      state.high === null
        ? "99.5th percentile of the levels on screen"
        : SET_BY_HAND;
  }

  /** @param {import("../chart/colour-range.js").ColourRange} colours */
  #paint(colours) {
    const { context, width, height } = sharp(this.#canvas);
    const { palette, scale } = this.#store.state;
    const share = shares({ scale, low: colours.low, high: colours.high, counts: colours.counts });
    const look = { palette: PALETTES[palette], reversed: this.#view?.theme.light ?? false, grey: false };
    for (let x = 0; x < width; x++) {
      const at = share[Math.min(share.length - 1, quantise(this.#usdAt(x / width)))];
      if (at < 0) continue;
      context.fillStyle = cssColour(colourOf(at, look));
      context.fillRect(x, 0, 1, height);
    }
  }

  // The bar itself is a square-root axis, so that small figures have room.
  /** @param {number} share 0..1 */
  #usdAt(share) {
    return this.#end * share * share;
  }

  /** @param {number} value */
  #shareOf(value) {
    return Math.sqrt(Math.min(1, Math.max(0, value / this.#end)));
  }

  /**
   * @param {HTMLElement} handle
   * @param {number} value
   */
  #place(handle, value) {
    handle.style.left = `${100 * this.#shareOf(value)}%`;
    handle.setAttribute("aria-valuenow", String(Math.round(value)));
    handle.setAttribute("aria-valuemax", String(Math.round(this.#end)));
    handle.setAttribute("aria-valuetext", usd(value));
  }

  /**
   * @param {"low" | "high"} which
   * @param {string} label
   */
  #handle(which, label) {
    const handle = h("div", {
      class: `grip ${which}`,
      role: "slider",
      tabindex: 0,
      "aria-label": label,
      "aria-valuemin": 0,
    });
    handle.addEventListener("pointerdown", (event) => {
      handle.setPointerCapture(event.pointerId);
      this.#dragging = true;
      event.preventDefault();
      handle.focus();
    });
    handle.addEventListener("pointermove", (event) => {
      if (!handle.hasPointerCapture(event.pointerId)) return;
      const { left, width } = this.track.getBoundingClientRect();
      this.#move(which, (event.clientX - left) / width);
    });
    handle.addEventListener("lostpointercapture", () => {
      this.#dragging = false;
      this.draw();
    });
    handle.addEventListener("keydown", (event) => {
      const direction = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
      if (event.key === "Escape" || event.key === "Delete") this.#store.set({ [which]: null });
      else if (direction) {
        this.#move(
          which,
          this.#shareOf(this.#view?.colours[which] ?? 0) + direction * KEY_STEP * (event.shiftKey ? 5 : 1),
        );
      } else return;
      event.preventDefault();
      event.stopPropagation();
    });
    return handle;
  }

  /**
   * @param {"low" | "high"} which
   * @param {number} share
   */
  #move(which, share) {
    const colours = this.#view?.colours;
    if (!colours?.high) return;
    const value = this.#usdAt(Math.min(1, Math.max(0, share)));
    const level = this.#levelShare;
    const rounded = DEQUANTISED[quantise(value / level)];
    if (which === "low") {
      this.#store.set({ low: Math.min(rounded, Math.round((colours.high * 0.98) / level)) });
    } else {
      const least = Math.round((colours.low * 1.02) / level);
      this.#store.set({ high: Math.max(rounded, least, DEQUANTISED[1]) });
    }
  }
}

function lockIcon() {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  for (const d of ["M3.5 7.5h9v6h-9z", "M5.5 7.5V5a2.5 2.5 0 0 1 5 0v2.5"]) {
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", d);
    svg.append(path);
  }
  return svg;
}
