// @ts-check
/**
 * The maps in sight: one, or a grid of them with linked time axes, each subscribed only while it is shown.
 * @module
 */

import { MapSlot } from "./panels/map-slot.js";
import { marketPatch } from "./state/fits.js";

/** @typedef {import("./state/store.js").Store} Store */
/** @typedef {import("./data/feed.js").Feed} Feed */

/** What of the state decides which maps there are and what they are fed with. */
export const LAYOUT = /** @type {const} */ (["symbol", "window", "grid", "markets", "venues"]);

export class Stage {
  #element;
  #store;
  #feed;
  #symbols;
  /** @type {Map<string, MapSlot>} */
  slots = new Map();
  /** Column under the crosshair of the map in focus. @type {number | null} */
  hovered = null;
  /** @type {MapSlot | null} the map whose gestures the others follow */
  #leader = null;
  /** What the viewer must be told, until somebody tells it. */
  notice = "";
  /** @param {string} text what the viewer must be told */
  onNotice = (text) => {
    this.notice = text;
  };
  /** Called when the crosshair moved or a history came: what is beside the maps may have to say something else. */
  onChange = () => {};
  /** @type {((slot: MapSlot) => void)[]} */
  #equipment = [];

  /** @param {HTMLElement} element @param {Store} store @param {Feed} feed @param {string[]} symbols all that are served */
  constructor(element, store, feed, symbols) {
    this.#element = element;
    this.#store = store;
    this.#feed = feed;
    this.#symbols = symbols;
    feed.onUnknownVenues = (unknown) => {
      const venues = store.state.venues.filter((venue) => !unknown.includes(venue));
      store.set({ venues });
      this.onNotice(`${unknown.join(", ")}: no such venue on this server; showing ${venues.join(", ") || "all venues"}.`);
    };
    feed.onLoad = (symbol, error) => {
      this.slots.get(symbol)?.update(error);
      this.onChange();
    };
  }

  /** Gives every map something, now and when it comes. @param {(slot: MapSlot) => void} give */
  equip(give) {
    this.#equipment.push(give);
    for (const slot of this.slots.values()) give(slot);
  }

  get focus() {
    return /** @type {MapSlot} */ (this.slots.get(this.#store.state.symbol));
  }

  /** Markets in sight, always with the one in focus. @returns {string[]} */
  get symbols() {
    const { grid, symbol, markets } = this.#store.state;
    if (grid === 1) return [symbol];
    const wanted = [...new Set([...markets, ...this.#symbols])].filter((name) => this.#symbols.includes(name)).slice(0, grid);
    return wanted.includes(symbol) ? wanted : [symbol, ...wanted.slice(1)];
  }

  layOut() {
    const { state } = this.#store;
    const symbols = this.symbols;
    const alone = state.grid === 1;
    this.#feed.show(symbols, { focus: state.symbol, window: state.window, venues: state.venues });
    for (const [symbol, slot] of this.slots) {
      if (symbols.includes(symbol) && slot.view.compact === !alone) continue;
      slot.destroy();
      this.slots.delete(symbol);
    }
    this.#element.dataset.grid = String(alone ? 1 : symbols.length > 4 ? 9 : symbols.length > 1 ? 4 : 1);
    symbols.forEach((symbol, i) => {
      const slot = this.slots.get(symbol) ?? this.#newSlot(symbol, !alone);
      const market = this.#feed.market(symbol);
      if (slot.view.market !== market) slot.show(market, this.#feed.error(symbol));
      slot.element.classList.toggle("focus", symbol === state.symbol && !alone);
      // An element that is put in its place again loses the pointer that is just pressing it.
      if (this.#element.children[i] !== slot.element) this.#element.insertBefore(slot.element, this.#element.children[i] ?? null);
    });
  }

  /** @param {string} symbol @param {boolean} compact @returns {MapSlot} */
  #newSlot(symbol, compact) {
    const slot = new MapSlot(this.#store.state, { compact, profile: !compact });
    this.slots.set(symbol, slot);
    this.#element.append(slot.element);
    slot.element.addEventListener("pointerenter", () => (this.#leader = slot));
    slot.element.addEventListener("pointerdown", () => {
      this.#leader = slot;
      if (this.#store.state.symbol !== symbol) this.#store.set(marketPatch(this.#store.state, symbol));
    });
    slot.onHover = (point) => this.#hover(slot, point);
    slot.onRange = () => this.#link(slot);
    slot.view.onGesture = (patch) => this.#store.set(compact ? { times: patch.times ?? [] } : patch);
    if (this.#store.state.times.length) slot.view.showTimes(this.#store.state.times);
    for (const give of this.#equipment) give(slot);
    return slot;
  }

  /** @param {MapSlot} slot @param {import("./chart/chart-view.js").Point | null} point */
  #hover(slot, point) {
    if (slot === this.focus || !point) this.hovered = point?.column ?? null;
    if (this.#leader === slot) {
      for (const other of this.slots.values()) if (other !== slot) other.view.pointAtTime(point?.timeMs ?? null);
    }
    this.onChange();
  }

  /** The same time in all of them, so that a sweep across markets is seen as one. @param {MapSlot} slot */
  #link(slot) {
    if (this.#leader !== slot || this.slots.size < 2) return;
    const times = slot.view.viewport.times();
    for (const other of this.slots.values()) if (other !== slot && times.length) other.view.showTimes(times);
  }
}
