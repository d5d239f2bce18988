// @ts-check
/**
 * The maps in sight: one, or a grid of them with linked time axes, each subscribed only while it is shown.
 * @module
 */

import { MapSlot } from "./panels/map-slot.js";
import { tiersText } from "./state/leverage-tiers.js";
import { formatCell, parseCell } from "./state/cells.js";
import { marketPatch } from "./state/price-range-choice.js";

/** @typedef {import("./state/view-state.js").ViewState} ViewState */
/** @typedef {import("./state/view-state.js").ViewStore} ViewStore */
/** @typedef {import("./data/market-loader.js").MarketLoader} MarketLoader */

/**
 * @typedef {object} GridHooks
 * @property {() => void} onChange the crosshair moved or a history came: what is beside the maps may have to
 * change
 * @property {(text: string) => void} onNotice a message for the viewer
 */

/** What of the state decides which maps there are and what is loaded for them. */
export const LAYOUT = /** @type {const} */ ([
  "symbol",
  "window",
  "grid",
  "markets",
  "cells",
  "venues",
  "lev",
]);
/** @type {number[]} */
const NO_TIMES = [];

/** @typedef {import("./data/market-loader.js").Cell} Cell */

export class MapGrid {
  #element;
  #store;
  #loader;
  #symbols;
  /** By the key of their cell. @type {Map<string, MapSlot>} */
  slots = new Map();
  /** Column under the crosshair of the map in focus. @type {number | null} */
  hovered = null;
  /** @type {MapSlot | null} the map whose gestures the others follow */
  #leader = null;
  #notice = "";
  /** The window each was last laid out for, by key. @type {Map<string, string>} */
  #windows = new Map();
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
    loader.refineFor((key) => this.slots.get(key)?.view.viewport.prices() ?? []);
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
   * @param {string} key
   * @param {string} error empty: it arrived
   */
  showLoaded(key, error) {
    const slot = this.slots.get(key);
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
    return /** @type {MapSlot} */ (this.slots.get(this.focusKey));
  }

  /** The key of the cell in focus. */
  get focusKey() {
    const { state } = this.#store;
    return state.cells.length ? formatCell(state) : state.symbol;
  }

  /** @param {MapSlot} slot in sight */
  keyOf(slot) {
    return [...this.slots].find(([, each]) => each === slot)?.[0] ?? "";
  }

  /** The market of the map in focus. */
  get market() {
    return this.#loader.market(this.focusKey);
  }

  /** The maps in sight, always with the one in focus. @returns {Cell[]} */
  get cells() {
    const { cells, window } = this.#store.state;
    if (!cells.length) return this.#symbolsOfGrid().map((symbol) => ({ key: symbol, symbol, window }));
    return cells.flatMap((key) => {
      const cell = parseCell(key);
      return cell ? { key, ...cell } : [];
    });
  }

  /** @returns {string[]} */
  #symbolsOfGrid() {
    const { grid, symbol, markets } = this.#store.state;
    if (grid === 1) return [symbol];
    const wanted = [...new Set([...markets, ...this.#symbols])]
      .filter((name) => this.#symbols.includes(name))
      .slice(0, grid);
    return wanted.includes(symbol) ? wanted : [symbol, ...wanted.slice(1)];
  }

  /** Every map by the state, each of a layout with its own window. @param {ViewState} state */
  apply(state) {
    const windows = new Map(this.cells.map(({ key, window }) => [key, window]));
    // Also those that give their place away: a gesture on one of them ends with it.
    for (const [key, { view }] of this.slots) {
      view.apply(this.#stateOf(state, key, windows.get(key) ?? state.window));
    }
  }

  /**
   * @param {ViewState} state
   * @param {string} key
   * @param {Cell["window"]} window
   * @returns {ViewState} as it is for one map: the times in sight are those of the one in focus
   */
  #stateOf(state, key, window) {
    if (!state.cells.length) return state;
    return { ...state, window, times: key === this.focusKey ? state.times : NO_TIMES };
  }

  layOut() {
    const { state } = this.#store;
    const { cells, focusKey: focus } = this;
    const alone = state.cells.length ? cells.length === 1 : state.grid === 1;
    const tiers = tiersText(state.lev);
    const otherTiers = tiers !== this.#tiers;
    this.#tiers = tiers;
    this.#loader.show(cells, { focus, exchanges: state.venues, tiers: state.lev });
    for (const [key, slot] of this.slots) {
      if (cells.some((cell) => cell.key === key) && slot.view.compact === !alone) continue;
      slot.destroy();
      this.slots.delete(key);
    }
    this.#element.dataset.grid = String(alone ? 1 : cells.length > 4 ? 9 : cells.length > 1 ? 4 : 1);
    cells.forEach((cell, i) => {
      const { key, window } = cell;
      const slot = this.slots.get(key) ?? this.#newSlot(cell, !alone);
      const market = this.#loader.market(key);
      if (slot.view.market !== market) slot.show(market, this.#loader.error(key));
      if (this.#windows.get(key) !== window) slot.showLoading(window);
      else if (otherTiers && !this.#loader.holdsTiers(key)) slot.showLoading(tiers || "all leverages");
      this.#windows.set(key, window);
      slot.element.classList.toggle("focus", key === focus && !alone);
      // An element that is put in its place again loses the pointer that is just pressing it.
      if (this.#element.children[i] !== slot.element) {
        this.#element.insertBefore(slot.element, this.#element.children[i] ?? null);
      }
    });
  }

  /**
   * @param {Cell} cell
   * @param {boolean} compact
   * @returns {MapSlot}
   */
  #newSlot({ key, symbol, window }, compact) {
    const { cells } = this.#store.state;
    const slot = new MapSlot(this.#stateOf(this.#store.state, key, window), {
      window: cells.length ? window : "",
      compact,
      profile: !compact,
      onHover: (point) => this.#hover(slot, point),
      onRange: () => this.#link(slot),
      onGesture: (patch) => {
        if (!compact) this.#store.set(patch);
        else if (!this.#store.state.cells.length || slot === this.focus) {
          this.#store.set({ times: patch.times ?? [] });
        }
      },
    });
    this.slots.set(key, slot);
    this.#element.append(slot.element);
    slot.element.addEventListener("pointerenter", () => (this.#leader = slot));
    slot.element.addEventListener("pointerdown", () => {
      this.#leader = slot;
      if (key !== this.focusKey) this.#store.set({ ...marketPatch(this.#store.state, symbol), window });
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

  /**
   * The same time in all of them that have one window, so that a sweep across markets is seen as one.
   * @param {MapSlot} slot
   */
  #link(slot) {
    if (this.#leader !== slot || this.slots.size < 2) return;
    const times = slot.view.viewport.times();
    const isLinked = (/** @type {MapSlot} */ other) => other !== slot && other.window === slot.window;
    for (const other of this.slots.values()) if (isLinked(other) && times.length) other.view.showTimes(times);
  }
}
