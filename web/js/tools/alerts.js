// @ts-check
/**
 * Alerts on the page: the rules, kept in this browser only; toasts, notifications and a sound; and the
 * levels one drags along the price axis.
 * @module
 */

import { due, noRules, readRules, watches } from "./alert-rules.js";
import { price as priceText, venuesText } from "../data/format.js";
import { announce, h } from "../panels/dom.js";

/** @typedef {import("./alert-rules.js").Rules} Rules */
/** @typedef {import("../data/market.js").Market} Market */

const KEY = "liqstream.alerts";
const SHOWN_MS = 12_000;

export class Alerts {
  /** @type {Rules} */
  rules = load();
  /** @type {Map<string, number>} */
  #told = new Map();
  /** @type {Map<string, { venues: string, price: number }>} last price by market, and whose it was */
  #before = new Map();
  #toasts = h("div", { class: "toasts", role: "alert" });
  /** @type {Set<() => void>} */
  #listeners = new Set();

  constructor() {
    document.body.append(this.#toasts);
  }

  get watching() {
    return watches(this.rules);
  }

  /** @param {() => void} listener */
  subscribe(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** @param {Partial<Rules>} change */
  set(change) {
    this.rules = { ...this.rules, ...change };
    save(this.rules);
    for (const listener of this.#listeners) listener();
  }

  /** @param {string} symbol @param {number} price */
  addLevel(symbol, price) {
    this.set({ levels: [...this.rules.levels, { symbol, price }] });
  }

  /** @param {Market} market whose state is new */
  look(market) {
    const { now, symbol } = market;
    if (!now || now.stale) return;
    const last = this.#before.get(symbol);
    const venues = market.chosen.join();
    const before = last?.venues === venues ? last.price : null; // another venue's price is no move
    this.#before.set(symbol, { venues, price: now.price });
    if (!this.watching) return;
    const clusters = this.rules.near.on ? [...market.clusters("long"), ...market.clusters("short")] : [];
    const seen = { symbol, timeMs: now.timeMs, price: now.price, before, clusters, liquidations: market.liquidations };
    const of = [symbol, venuesText(market.chosen)].filter(Boolean).join(" · ");
    for (const alert of due(this.rules, seen, this.#told)) this.#raise(of, alert.text);
  }

  /** @param {string} of market, and venues if some are chosen @param {string} text */
  #raise(of, text) {
    const toast = h("div", { class: "toast" }, h("b", {}, of), h("span", {}, text), h("button", { type: "button", "aria-label": "Dismiss", onclick: () => toast.remove() }, "×"));
    this.#toasts.append(toast);
    setTimeout(() => toast.remove(), SHOWN_MS);
    announce(`${of}: ${text}`);
    if (this.rules.notify && "Notification" in window && Notification.permission === "granted") new Notification(`liqstream ${of}`, { body: text, tag: of + text });
    if (this.rules.sound) beep();
  }

  /** The form of the alerts panel. @param {() => { symbol: string, price: number }} here @returns {import("../panels/dom.js").Child[]} */
  form(here) {
    const { near, cascade, levels, notify, sound } = this.rules;
    const { symbol, price } = here();
    const box = (/** @type {boolean} */ on, /** @type {(on: boolean) => void} */ set, /** @type {import("../panels/dom.js").Child[]} */ ...text) => {
      const input = h("input", { type: "checkbox", checked: on, onchange: () => set(input.checked) });
      return h("label", { class: "rule" }, input, h("span", {}, ...text));
    };
    const figure = (/** @type {string} */ name, /** @type {number} */ value, /** @type {string} */ step, /** @type {(value: number) => void} */ set) => {
      const input = h("input", { type: "number", "aria-label": name, min: step, step, value, onchange: () => Number(input.value) > 0 && set(Number(input.value)) });
      return input;
    };
    return [
      h("h2", {}, "Alerts"),
      h("p", { class: "quiet" }, "Kept in this browser; they sound while this page is open."),
      box(near.on, (on) => this.set({ near: { ...this.rules.near, on } }), "Price within ", figure("Percent", near.percent, "0.1", (percent) => this.set({ near: { ...this.rules.near, percent } })), " % of a cluster above ", figure("Cluster, million USD", near.usd / 1e6, "0.1", (value) => this.set({ near: { ...this.rules.near, usd: value * 1e6 } })), " M USD"),
      box(cascade.on, (on) => this.set({ cascade: { ...this.rules.cascade, on } }), "More than ", figure("Cascade, million USD", cascade.usd / 1e6, "0.1", (value) => this.set({ cascade: { ...this.rules.cascade, usd: value * 1e6 } })), " M USD liquidated in ", figure("Minutes", cascade.minutes, "1", (minutes) => this.set({ cascade: { ...this.rules.cascade, minutes } })), " min"),
      h("div", { class: "levels" }, ...levels.map((level) => h("span", { class: "chip" }, `${level.symbol} ${priceText(level.price)}`, h("button", { type: "button", "aria-label": `Remove the alert at ${priceText(level.price)}`, onclick: () => this.set({ levels: this.rules.levels.filter((other) => other !== level) }) }, "×")))),
      h("button", { type: "button", class: "plain", onclick: () => price && this.addLevel(symbol, price) }, `Alert at ${price ? priceText(price) : "the price"}, to drag on the axis`),
      h("hr"),
      box(notify, (on) => void this.#setNotify(on), "Browser notification"),
      box(sound, (on) => {
        this.set({ sound: on });
        if (on) beep();
      }, "Sound"),
    ];
  }

  /** @param {boolean} on */
  async #setNotify(on) {
    const allowed = on && "Notification" in window && (await Notification.requestPermission()) === "granted";
    this.set({ notify: allowed });
  }
}

/** Levels as handles on the price axis of one map. */
export class AlertMarks {
  #alerts;
  #view;
  #parent;
  #layer = h("div", { class: "marks" });
  #plus = h("button", { type: "button", class: "plus", title: "Alert here", "aria-label": "Alert at this price", hidden: true }, "+");

  /** @param {HTMLElement} parent the chart's element @param {import("../chart/chart-view.js").ChartView} view @param {Alerts} alerts */
  constructor(parent, view, alerts) {
    this.#parent = parent;
    this.#view = view;
    this.#alerts = alerts;
    parent.append(this.#layer, this.#plus);
    this.leave = alerts.subscribe(() => this.draw());
    parent.addEventListener("pointermove", (event) => this.#follow(event));
    parent.addEventListener("pointerleave", () => (this.#plus.hidden = true));
    this.#plus.addEventListener("click", () => {
      const price = this.#priceAt(Number(this.#plus.dataset.y));
      const symbol = view.market?.symbol;
      if (price && symbol) alerts.addLevel(symbol, price);
    });
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
      handle.setAttribute("aria-label", `Alert at ${priceText(level.price)}; drag, or arrow keys; Delete removes it`);
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
      if (handle.hasPointerCapture(event.pointerId)) this.#move(mark, this.#priceAt(event.clientY - this.#parent.getBoundingClientRect().top));
    });
    handle.addEventListener("keydown", (event) => {
      const direction = { ArrowUp: 1, ArrowDown: -1 }[event.key];
      const step = this.#view.market?.matrix?.step ?? 1;
      if (event.key === "Delete" || event.key === "Backspace") this.#move(mark, null);
      else if (direction) this.#move(mark, Number(mark.dataset.price) + direction * step);
      else return;
      event.preventDefault();
      event.stopPropagation();
    });
    return mark;
  }

  /** @param {HTMLElement} mark @param {number | null} price null removes it */
  #move(mark, price) {
    const symbol = this.#view.market?.symbol;
    const at = Number(mark.dataset.price);
    const levels = this.#alerts.rules.levels.flatMap((level) => (level.symbol !== symbol || level.price !== at ? [level] : price ? [{ ...level, price }] : []));
    this.#alerts.set({ levels });
  }

  /** @param {number} y @returns {number | null} rounded to the grid's own decimals */
  #priceAt(y) {
    const price = this.#view.pointAt(1, y)?.price ?? null;
    const step = (this.#view.market?.matrix?.step ?? 1) / 10;
    return price === null ? null : Number((Math.round(price / step) * step).toPrecision(8));
  }

  /** @param {PointerEvent} event */
  #follow(event) {
    const { left, top } = this.#parent.getBoundingClientRect();
    const [x, y] = [event.clientX - left, event.clientY - top];
    const { width, height } = this.#view.pane;
    this.#plus.hidden = x < width - 26 || y > height || this.#layer.contains(/** @type {Node} */ (event.target)) || event.buttons > 0;
    if (this.#plus.hidden || event.target === this.#plus) return;
    this.#plus.dataset.y = String(y);
    this.#plus.style.transform = `translate(${width - 22}px, ${y - 10}px)`;
  }
}

/** @returns {Rules} */
function load() {
  try {
    return readRules(JSON.parse(localStorage.getItem(KEY) ?? "null"));
  } catch {
    return noRules(); // storage may be forbidden in a frame
  }
}

/** @param {Rules} rules */
function save(rules) {
  try {
    localStorage.setItem(KEY, JSON.stringify(rules));
  } catch {
    // storage may be forbidden in a frame: then the rules last as long as the page
  }
}

function beep() {
  const audio = new AudioContext();
  const tone = audio.createOscillator();
  const volume = audio.createGain();
  tone.frequency.value = 880;
  volume.gain.setValueAtTime(0.12, audio.currentTime);
  volume.gain.exponentialRampToValueAtTime(0.001, audio.currentTime + 0.5);
  tone.connect(volume).connect(audio.destination);
  tone.start();
  tone.stop(audio.currentTime + 0.5);
  tone.onended = () => void audio.close();
}
