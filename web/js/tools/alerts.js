// @ts-check
/**
 * Alerts on the page: the rules, kept in this browser only; toasts, notifications and a sound.
 * @module
 */

import { due, MOST_LEVELS, noRules, readRules, watches } from "./alert-rules.js";
import { price as priceText, partText } from "../data/format.js";
import { announce, h, note, put } from "../panels/dom.js";
import { putAnew } from "../panels/popover.js";
import { keep, onKeptElsewhere, recall } from "../state/storage.js";
import { beep, mayNotify, notify } from "./attention.js";
import { RaisedList } from "./raised-list.js";
import { ServerAlerts } from "./server-alerts.js";

/** @typedef {import("./alert-rules.js").Rules} Rules */
/** @typedef {import("../data/market.js").Market} Market */
/** @typedef {{ symbol: string, price: number }} Here where the form adds an alert; price 0: not known yet */

const KEY = "liqstream.alerts";
const SHOWN_MS = 12_000;
const MOST_TOASTS = 3;
const SAVED_TEXT = "Saved in this browser. Fires only while this page is open, for markets on screen.";

export class Alerts {
  /** @type {Rules} */
  rules = load();
  /** @type {Map<string, number>} */
  #raisedAt = new Map();
  /** @type {Map<string, { exchanges: string, price: number }>} last price by market, and whose it was */
  #before = new Map();
  #toasts = h("div", { class: "toasts", role: "alert" });
  /** @type {HTMLElement[]} the toasts not gone yet, oldest first; the newest are shown */
  #raised = [];
  /** @type {Set<() => void>} */
  #listeners = new Set();
  #levels = h("div", { class: "levels" });
  /** @type {Here} */
  #here = { symbol: "", price: 0 };
  #add = h("button", {
    type: "button",
    class: "plain",
    onclick: () => this.addLevel(this.#here.symbol, this.#here.price),
  });

  #list = new RaisedList();
  /** What the server watches, in the same panel. */
  #onServer = new ServerAlerts(this.#list, (sentence) => this.#show("Server", sentence));

  constructor() {
    document.body.append(this.#toasts);
    onKeptElsewhere(KEY, () => this.#take(load()));
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
    this.#take({ ...this.rules, ...change });
    keep(KEY, JSON.stringify(this.rules));
  }

  /** @param {Rules} rules */
  #take(rules) {
    this.rules = rules;
    this.#drawLevels();
    for (const listener of this.#listeners) listener();
  }

  /** Of the form, the rest of which shows what is set by itself: a control that is pressed stays the same. */
  #drawLevels() {
    putAnew(this.#levels, ...this.rules.levels.map((level) => this.#levelChip(level)));
  }

  /**
   * @param {string} symbol
   * @param {number} price
   */
  addLevel(symbol, price) {
    if (this.rules.levels.length >= MOST_LEVELS) {
      return note(`${MOST_LEVELS} price alerts at most: remove one first`);
    }
    this.set({ levels: [...this.rules.levels, { symbol, price }] });
  }

  /** @param {Market} market whose state is new */
  look(market) {
    const { now, symbol } = market;
    if (!now || now.stale) return;
    const last = this.#before.get(symbol);
    const exchanges = market.chosen.join();
    const before = last?.exchanges === exchanges ? last.price : null; // another exchange's price is no move
    this.#before.set(symbol, { exchanges, price: now.price });
    if (!this.watching) return;
    const clusters = this.rules.near.on ? [...market.clusters("long"), ...market.clusters("short")] : [];
    const seen = {
      symbol,
      timeMs: now.timeMs,
      price: now.price,
      before,
      clusters,
      liquidations: market.liquidations,
    };
    const of = [symbol, partText(market)].filter(Boolean).join(" · ");
    for (const alert of due(this.rules, seen, this.#raisedAt)) this.raise(of, alert.text);
  }

  /**
   * Shows an alert, keeps it among those raised last, announces it, and notifies and sounds as is set.
   * @param {string} of market, and exchanges if some are chosen
   * @param {string} text
   */
  raise(of, text) {
    this.#list.add(`${of}: ${text}`);
    this.#show(of, text);
  }

  /**
   * @param {string} of
   * @param {string} text
   */
  #show(of, text) {
    const toast = h(
      "div",
      { class: "toast" },
      h("b", {}, of),
      h("span", {}, text),
      h("button", { type: "button", "aria-label": "Dismiss", onclick: () => this.#drop(toast) }, "×"),
    );
    this.#raised = [...this.#raised, toast];
    this.#drawToasts();
    setTimeout(() => this.#drop(toast), SHOWN_MS);
    announce(`${of}: ${text}`);
    if (this.rules.notify) void notify(`liqstream ${of}`, { body: text, tag: of + text });
    if (this.rules.sound) beep();
  }

  /** @param {HTMLElement} toast */
  #drop(toast) {
    this.#raised = this.#raised.filter((other) => other !== toast);
    this.#drawToasts();
  }

  /** The newest few; a row of a dozen would cover the map it speaks of. */
  #drawToasts() {
    const more = this.#raised.length - MOST_TOASTS;
    const dismiss = () => {
      this.#raised = [];
      this.#drawToasts();
    };
    put(
      this.#toasts,
      more > 0 &&
        h(
          "button",
          { type: "button", class: "toast more", title: "Dismiss all", onclick: dismiss },
          `+${more} more`,
        ),
      ...this.#raised.slice(-MOST_TOASTS),
    );
  }

  /**
   * The form, while it is open, goes on to another market, or from no price to the first: a button without a
   * price waits. A price that it names stays, so that what is read is what is added.
   * @param {Here} here
   */
  follow(here) {
    if (here.symbol !== this.#here.symbol || !this.#here.price) this.#offer(here);
  }

  /** @param {Here} here */
  #offer(here) {
    const { price } = (this.#here = here);
    this.#add.disabled = !price;
    const at = price ? priceText(price) : "the price";
    this.#add.textContent = `Add price alert at ${at} (drag it on the axis)`;
  }

  /** Below the form: the rules the server watches, and what was raised last by it and by the page. */
  get parts() {
    return [this.#onServer.element, this.#list.element];
  }

  /** The panel was opened. @param {Here} here */
  opened(here) {
    this.#list.draw(); // in the zone that is chosen by now
    this.#onServer.open(here);
  }

  /**
   * The form of the alerts panel.
   * @param {Here} here
   * @returns {import("../panels/dom.js").Child[]}
   */
  form(here) {
    const { near, cascade, notify, sound } = this.rules;
    this.#offer(here);
    this.#drawLevels();
    return [
      h("h2", {}, "Alerts"),
      h("p", { class: "quiet" }, SAVED_TEXT),
      box(
        near.on,
        (on) => this.set({ near: { ...this.rules.near, on } }),
        "Price within ",
        figure("Percent", near.percent, "0.1", (percent) =>
          this.set({ near: { ...this.rules.near, percent } }),
        ),
        " % of a cluster above ",
        figure("Cluster, million USD", near.usd / 1e6, "0.1", (value) =>
          this.set({ near: { ...this.rules.near, usd: value * 1e6 } }),
        ),
        " M USD",
      ),
      box(
        cascade.on,
        (on) => this.set({ cascade: { ...this.rules.cascade, on } }),
        "More than ",
        figure("Cascade, million USD", cascade.usd / 1e6, "0.1", (value) =>
          this.set({ cascade: { ...this.rules.cascade, usd: value * 1e6 } }),
        ),
        " M USD liquidated in ",
        figure("Minutes", cascade.minutes, "1", (minutes) =>
          this.set({ cascade: { ...this.rules.cascade, minutes } }),
        ),
        " min",
      ),
      this.#levels,
      this.#add,
      h("hr"),
      box(notify, (on, input) => void this.#setNotify(on, input), "Browser notification"),
      box(
        sound,
        (on) => {
          this.set({ sound: on });
          if (on) beep();
        },
        "Sound",
      ),
    ];
  }

  /** @param {Rules["levels"][number]} level */
  #levelChip(level) {
    const remove = h(
      "button",
      {
        type: "button",
        "aria-label": `Remove the alert at ${priceText(level.price)}`,
        onclick: () => this.set({ levels: this.rules.levels.filter((other) => other !== level) }),
      },
      "×",
    );
    return h("span", { class: "chip" }, `${level.symbol} ${priceText(level.price)}`, remove);
  }

  /**
   * @param {boolean} on
   * @param {HTMLInputElement} input of the form, which shows whether it is allowed
   */
  async #setNotify(on, input) {
    const allowed = on && (await mayNotify());
    if (on && !allowed) note("This browser allows no notifications here");
    input.checked = allowed;
    this.set({ notify: allowed });
  }
}

/**
 * @param {boolean} on
 * @param {(on: boolean, input: HTMLInputElement) => void} set
 * @param {...import("../panels/dom.js").Child} text
 */
function box(on, set, ...text) {
  const input = h("input", { type: "checkbox", checked: on, onchange: () => set(input.checked, input) });
  return h("label", { class: "rule" }, input, h("span", {}, ...text));
}

/**
 * @param {string} name
 * @param {number} value
 * @param {string} step also the least
 * @param {(value: number) => void} set called with figures above 0 only
 */
function figure(name, value, step, set) {
  const input = h("input", {
    type: "number",
    "aria-label": name,
    min: step,
    step,
    value,
    onchange: () => Number(input.value) > 0 && set(Number(input.value)),
  });
  return input;
}

/** @returns {Rules} */
function load() {
  try {
    return readRules(JSON.parse(recall(KEY) ?? "null"));
  } catch {
    return noRules(); // damaged: there are none
  }
}

