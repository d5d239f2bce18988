// @ts-check
/**
 * "If the price goes to X": a line on the price axis that says what would be liquidated on the way there.
 * @module
 */

import { nextBig } from "../data/clusters.js";
import { partText } from "../data/format.js";
import { roundedTarget, targetText, wayText, wayTo } from "../data/way-to-price.js";
import { LineStyle } from "../chart/chart-library.js";
import { announce, h, note } from "../panels/dom.js";

/** @typedef {import("../chart/chart-view.js").ChartView} ChartView */
/** @typedef {import("../state/view-state.js").ViewStore} ViewStore */

/** Without a cluster to point at, the line begins so far above the price. */
const FIRST_SHARE = 0.01;
/** A finger that rests so long and no farther than this is put at a price. */
const LONG_PRESS_MS = 500;
const LONG_PRESS_PX = 10;
const GAP_PX = 6;
const NARROW_PX = 400;

/** How many there were: of the ids that join a handle to its sentence. */
let made = 0;

/** The line of one map; only the map in focus shows it. */
export class IfPriceLine {
  #parent;
  #view;
  #store;
  #leave;
  #line;
  #handle = h("button", { type: "button", class: "if-handle", "aria-label": "If the price goes to" });
  #text = h("span", { id: `if-text-${made++}` });
  #label = h("div", { class: "if-label", hidden: true });
  #here = h(
    "button",
    { type: "button", class: "plus if-here", title: "If the price goes here (I)", hidden: true },
    "→",
  );
  /** @type {{ x: number, y: number, at: number } | null} where and when a finger came down */
  #pressed = null;

  /**
   * @param {HTMLElement} parent the chart's element
   * @param {ChartView} view
   * @param {ViewStore} store
   */
  constructor(parent, view, store) {
    this.#parent = parent;
    this.#view = view;
    this.#store = store;
    this.#line = view.candles.createPriceLine({ price: 0, lineStyle: LineStyle.LargeDashed, lineWidth: 1 });
    const [copy, remove] = ["Copy the sentence (Enter)", "Remove the line (Delete)"];
    const named = (/** @type {string} */ name) => ({ type: "button", "aria-label": name, title: name });
    this.#label.append(
      this.#text,
      h("button", { ...named(copy), onclick: () => void this.copy() }, "Copy"),
      h("button", { ...named(remove), onclick: () => this.#remove() }, "×"),
    );
    this.#handle.setAttribute("aria-describedby", this.#text.id);
    this.#here.setAttribute("aria-label", "If the price goes here");
    parent.append(this.#label, this.#handle, this.#here);
    this.#listen();
    this.#leave = store.subscribe((_, changed) => {
      if (changed.has("if") || changed.has("symbol")) this.draw();
    });
  }

  destroy() {
    this.#leave();
  }

  /** What it says of now. @returns {import("../data/way-to-price.js").Way | null} null: it is not shown */
  get way() {
    const { market } = this.#view;
    const { if: target, symbol } = this.#store.state;
    if (target === null || !market?.matrix || market.symbol !== symbol) return null;
    return wayTo(market, target);
  }

  draw() {
    const { way } = this;
    this.#handle.hidden = this.#label.hidden = !way;
    this.#drawLine(way);
    if (!way) return;
    const { width, height } = this.#view.pane;
    // Out of sight it waits at the edge behind which it is.
    const y = Math.round(Math.min(height, Math.max(0, this.#view.yOf(way.to) ?? 0)));
    const axis = this.#parent.clientWidth - width;
    const name = targetText(way.to, way.step);
    this.#handle.textContent = name;
    this.#handle.setAttribute("aria-label", `If the price goes to ${name}; drag, or arrow keys`);
    Object.assign(this.#handle.style, { minWidth: `${axis}px`, transform: `translateY(${y}px)` });
    this.#text.textContent = wayText(way);
    Object.assign(this.#label.style, { right: `${axis + GAP_PX}px`, maxWidth: `${width - 2 * GAP_PX}px` });
    const size = this.#label.offsetHeight;
    const above = width < NARROW_PX ? GAP_PX : y - size - GAP_PX; // a phone's map is free at its top
    const top = y > size + 2 * GAP_PX ? above : y + GAP_PX;
    const free = Math.max(top, this.#barsBottom(top));
    this.#label.style.transform = `translateY(${Math.max(0, Math.min(free, height - size))}px)`;
  }

  /**
   * @param {number} top of the sentence, px
   * @returns {number} px below the bars of a replay or of drawing that stand there; 0: none does
   */
  #barsBottom(top) {
    const from = this.#parent.getBoundingClientRect().top;
    const own = this.#label.getBoundingClientRect();
    let bottom = 0;
    for (const bar of document.querySelectorAll(":is(.replay-bar, .draw-bar):not([hidden])")) {
      const { left, right, height, bottom: end } = bar.getBoundingClientRect();
      const beside = right < own.left || left > own.right || end - from < top;
      if (height && !beside) bottom = Math.max(bottom, end - from + GAP_PX);
    }
    return bottom;
  }

  /**
   * The chart draws itself anew with every option, and the map may be moving: only what changed is set.
   * @param {import("../data/way-to-price.js").Way | null} way
   */
  #drawLine(way) {
    const shown = Boolean(way);
    const { accent } = this.#view.theme;
    const before = this.#line.options();
    const same = before.price === (way?.to ?? 0) && before.lineVisible === shown && before.color === accent;
    if (same) return;
    this.#line.applyOptions({
      ...{ price: way?.to ?? 0, lineVisible: shown, axisLabelVisible: shown },
      ...{ color: accent, axisLabelColor: accent },
    });
  }

  /** By key: puts it on the next big cluster, takes hold of it, or, held, removes it. */
  toggle() {
    const held = document.activeElement === this.#handle;
    if (held) this.#remove();
    else if (this.#store.state.if === null) this.#set(this.#first());
    if (!held) this.#handle.focus();
  }

  /** @param {number} y media px within the chart */
  putAt(y) {
    const price = this.#view.pointAt(1, y)?.price;
    if (price && price > 0) this.#set(price);
  }

  /** Puts the sentence, with its market, time and what it is, into the clipboard. */
  async copy() {
    const { market, clock } = this.#view;
    const { way } = this;
    if (!way || !market?.shown) return;
    const { timeMs, quality } = market.shown;
    const rough = quality.includes("calibrating") ? " Dollars not checked on this market yet." : "";
    const when = `${clock.format(timeMs, "full")} ${clock.offsetText(timeMs)}`;
    const of = partText(market);
    const name = `${market.symbol}${of && ` (${of})`}`;
    const text = `${name} ${wayText(way)}. Estimate by liqstream, ${when}.${rough}`;
    try {
      await navigator.clipboard.writeText(text);
      note("Sentence copied");
    } catch {
      prompt("What is expected on the way", text); // no clipboard without a secure context
    }
  }

  /** @returns {number | null} */
  #first() {
    const { market } = this.#view;
    if (!market?.now) return null;
    const { price } = market.now;
    const next = [nextBig(market.clusters("short"), price), nextBig(market.clusters("long"), price)];
    const [near] = next
      .flatMap((cluster) => cluster ?? [])
      .sort((a, b) => Math.abs(a.price - price) - Math.abs(b.price - price));
    return near?.price ?? price * (1 + FIRST_SHARE);
  }

  /** @param {number | null} price null removes it */
  #set(price) {
    const step = this.#view.market?.now?.grid.step;
    if (this.#view.market?.symbol !== this.#store.state.symbol) return;
    const rounded = price === null || !step ? price : Math.max(step / 10, roundedTarget(price, step));
    this.#store.set({ if: rounded });
  }

  /** What had the focus goes with the line: the map has it then. */
  #remove() {
    this.#set(null);
    this.#parent.focus();
    announce("The line is removed");
  }

  #listen() {
    const top = () => this.#parent.getBoundingClientRect().top;
    this.#handle.addEventListener("pointerdown", (event) => {
      this.#handle.setPointerCapture(event.pointerId);
      event.stopPropagation();
    });
    this.#handle.addEventListener("pointermove", (event) => {
      if (this.#handle.hasPointerCapture(event.pointerId)) this.putAt(event.clientY - top());
    });
    this.#handle.addEventListener("keydown", (event) => this.#onKey(event));
    this.#here.addEventListener("click", () => {
      this.putAt(Number(this.#here.dataset.y));
      this.#here.hidden = true;
    });
    this.#parent.addEventListener("pointermove", (event) => this.#placeHere(event));
    this.#parent.addEventListener("pointerleave", () => (this.#here.hidden = true));
    this.#parent.addEventListener("pointerdown", (event) => this.#press(event));
    this.#parent.addEventListener("pointerup", (event) => {
      const { at = Infinity } = this.#pressed ?? {};
      this.#pressed = null;
      if (performance.now() - at > LONG_PRESS_MS) this.putAt(event.clientY - top());
    });
    this.#parent.addEventListener("pointercancel", () => (this.#pressed = null));
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    const { way } = this;
    const direction = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (event.key === "Delete" || event.key === "Backspace") this.#remove();
    else if (event.key === "Enter") void this.copy();
    else if (direction && way) {
      this.#set(way.to + direction * way.step * (event.shiftKey ? 10 : 1));
      announce(this.#text.textContent ?? "");
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** @param {PointerEvent} event */
  #press({ pointerType, isPrimary, target, clientX, clientY }) {
    const onControl = target instanceof Element && target.closest("button, summary");
    const counts = pointerType === "touch" && isPrimary && !onControl;
    this.#pressed = counts ? { x: clientX, y: clientY, at: performance.now() } : null;
  }

  /** Beside the + of the alerts. @param {PointerEvent} event */
  #placeHere(event) {
    const { clientX, clientY } = event;
    const { x = clientX, y = clientY } = this.#pressed ?? {};
    if (Math.hypot(clientX - x, clientY - y) > LONG_PRESS_PX) this.#pressed = null;
    const box = this.#parent.getBoundingClientRect();
    const { width, height } = this.#view.pane;
    const [left, down] = [clientX - box.left, clientY - box.top];
    const onControl = event.target instanceof Element && event.target.closest("button:not(.plus)");
    this.#here.hidden = left < width - 52 || down > height || event.buttons > 0 || Boolean(onControl);
    if (this.#here.hidden || (event.target instanceof Element && event.target.closest(".plus"))) return;
    this.#here.dataset.y = String(down);
    this.#here.style.transform = `translate(${width - 52}px, ${down - 12}px)`;
  }
}
