// @ts-check
/**
 * The maps in sight: one, or a grid of them with linked time axes, each subscribed only while it is shown.
 * @module
 */

import { MapSlot } from "./panels/map-slot.js";
import { tiersText } from "./state/leverage-tiers.js";
import { marketPatch } from "./state/price-range-choice.js";

/** @typedef {import("./state/view-state.js").ViewStore} ViewStore */
/** @typedef {import("./data/market-loader.js").MarketLoader} MarketLoader */

/**
 * @typedef {object} GridHooks
 * @property {() => void} onChange the crosshair moved or a history came: what is beside the maps may have to
 * change
 * @property {(text: string) => void} onNotice a message for the viewer
 */

/** What of the state decides which maps there are and what is loaded for them. */
export const LAYOUT = /** @type {const} */ (["symbol", "window", "grid", "markets", "venues", "lev"]);

export class MapGrid {
  #element;
  #store;
  #loader;
  #symbols;
  /** @type {Map<string, MapSlot>} */
  slots = new Map();
  /** Column under the crosshair of the map in focus. @type {number | null} */
  hovered = null;
  /** @type {MapSlot | null} the map whose gestures the others follow */
  #leader = null;
  #notice = "";
  /** @type {import("./state/view-state.js").ViewState["window"] | ""} that the maps were last laid out for */
  #window = "";
  /** The leverage tiers that they were last laid out for, as written. */
  #tiers = "";
  /** @type {GridHooks | null} */
  #hooks = null;
  /** @type {((slot: MapSlot) => void)[]} */
  #onEveryMap = [];

  /**
   * @param {HTMLElement} element
   * @param {ViewStore} store
   * @param {MarketLoader} loader
   * @param {string[]} symbols all that are served
   */
  constructor(element, store, loader, symbols) {
    this.#element = element;
    this.#store = store;
    this.#loader = loader;
    this.#symbols = symbols;
    loader.refineFor((symbol) => this.slots.get(symbol)?.view.viewport.prices() ?? []);
  }

  /** A message for the viewer from before there were hooks to show it; empty: none. */
  get notice() {
    return this.#notice;
  }

  /** @param {GridHooks} hooks called from now on */
  setHooks(hooks) {
    this.#hooks = hooks;
  }

  /**
   * A history arrived or failed.
   * @param {string} symbol
   * @param {string} error empty: it arrived
   */
  showLoaded(symbol, error) {
    const slot = this.slots.get(symbol);
    slot?.showLoaded(error);
    slot?.update(error);
    this.#hooks?.onChange();
  }

  /**
   * Goes on without exchanges that the server does not have, with a notice.
   * @param {string[]} unknown
   */
  dropExchanges(unknown) {
    const exchanges = this.#store.state.venues.filter((exchange) => !unknown.includes(exchange));
    this.#store.set({ venues: exchanges });
    const shown = exchanges.join(", ") || "all exchanges";
    const notice = `${unknown.join(", ")}: no such exchange on this server; showing ${shown}.`;
    if (this.#hooks) this.#hooks.onNotice(notice);
    else this.#notice = notice;
  }

  /** Calls `add` with every map there is and with every one to come. @param {(slot: MapSlot) => void} add */
  forEachMap(add) {
    this.#onEveryMap.push(add);
    for (const slot of this.slots.values()) add(slot);
  }

  get focus() {
    return /** @type {MapSlot} */ (this.slots.get(this.#store.state.symbol));
  }

  /** Markets in sight, always with the one in focus. @returns {string[]} */
  get symbols() {
    const { grid, symbol, markets } = this.#store.state;
    if (grid === 1) return [symbol];
    const wanted = [...new Set([...markets, ...this.#symbols])]
      .filter((name) => this.#symbols.includes(name))
      .slice(0, grid);
    return wanted.includes(symbol) ? wanted : [symbol, ...wanted.slice(1)];
  }

  layOut() {
    const { state } = this.#store;
    const symbols = this.symbols;
    const alone = state.grid === 1;
    const [wasOf, tiers] = [this.#window, tiersText(state.lev)];
    const otherTiers = tiers !== this.#tiers;
    this.#window = state.window;
    this.#tiers = tiers;
    const { symbol: focus, window, venues: exchanges } = state;
    this.#loader.show(symbols, { focus, window, exchanges, tiers: state.lev });
    for (const [symbol, slot] of this.slots) {
      if (symbols.includes(symbol) && slot.view.compact === !alone) continue;
      slot.destroy();
      this.slots.delete(symbol);
    }
    this.#element.dataset.grid = String(alone ? 1 : symbols.length > 4 ? 9 : symbols.length > 1 ? 4 : 1);
    symbols.forEach((symbol, i) => {
      const slot = this.slots.get(symbol) ?? this.#newSlot(symbol, !alone);
      const market = this.#loader.market(symbol);
      if (slot.view.market !== market) slot.show(market, this.#loader.error(symbol));
      if (wasOf !== state.window) slot.showLoading(state.window);
      else if (otherTiers && !this.#loader.holdsTiers(symbol)) slot.showLoading(tiers || "all leverages");
      slot.element.classList.toggle("focus", symbol === state.symbol && !alone);
      // An element that is put in its place again loses the pointer that is just pressing it.
      if (this.#element.children[i] !== slot.element) {
        this.#element.insertBefore(slot.element, this.#element.children[i] ?? null);
      }
    });
  }

  /**
   * @param {string} symbol
   * @param {boolean} compact
   * @returns {MapSlot}
   */
  #newSlot(symbol, compact) {
    const slot = new MapSlot(this.#store.state, {
      compact,
      profile: !compact,
      onHover: (point) => this.#hover(slot, point),
      onRange: () => this.#link(slot),
      onGesture: (patch) => this.#store.set(compact ? { times: patch.times ?? [] } : patch),
    });
    this.slots.set(symbol, slot);
    this.#element.append(slot.element);
    slot.element.addEventListener("pointerenter", () => (this.#leader = slot));
    slot.element.addEventListener("pointerdown", () => {
      this.#leader = slot;
      if (this.#store.state.symbol !== symbol) this.#store.set(marketPatch(this.#store.state, symbol));
    });
    for (const add of this.#onEveryMap) add(slot);
    return slot;
  }

  /**
   * @param {MapSlot} slot
   * @param {import("./chart/chart-view.js").Point | null} point
   */
  #hover(slot, point) {
    if (slot === this.focus || !point) this.hovered = point?.column ?? null;
    if (this.#leader === slot) {
      for (const other of this.slots.values()) {
        if (other !== slot) other.view.pointAtTime(point?.timeMs ?? null);
      }
    }
    this.#hooks?.onChange();
  }

  /** The same time in all of them, so that a sweep across markets is seen as one. @param {MapSlot} slot */
  #link(slot) {
    if (this.#leader !== slot || this.slots.size < 2) return;
    const times = slot.view.viewport.times();
    for (const other of this.slots.values()) if (other !== slot && times.length) other.view.showTimes(times);
  }
}
