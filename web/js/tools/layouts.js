// @ts-check
/**
 * The maps of the page: how many, of which market and window each, under which name they are kept, and one of
 * them in a window of its own.
 * @module
 */

import { announce, h, note } from "../panels/dom.js";
import { formatCell, MOST_CELLS, parseCell } from "../state/cells.js";
import { cellsOf, LONGEST_NAME, removeLayout, savedLayouts, saveLayout } from "../state/layouts.js";
import { marketPatch } from "../state/price-range-choice.js";
import { WINDOW_NAMES } from "../state/time-windows.js";
import { formatState } from "../state/view-state.js";

/** @typedef {import("../state/view-state.js").ViewStore} ViewStore */
/** @typedef {import("../map-grid.js").MapGrid} MapGrid */
/** @typedef {import("../panels/dom.js").Child} Child */

const GRIDS = /** @type {const} */ ([
  [1, "One map"],
  [4, "2 × 2"],
  [9, "3 × 3"],
]);

const OWN_TEXT = "Each map has its own market and window: press one, then choose them in the row above.";
const SHARED_TEXT = "All maps share one window. With a map added each has its own.";
const NONE_TEXT = "None yet. Saved in this browser; a link has a layout too.";

export class Layouts {
  #store;
  #mapGrid;
  #symbols;
  /** What is done after a change: the panel shows what there is then. */
  #onChange;

  /**
   * @param {ViewStore} store
   * @param {MapGrid} mapGrid
   * @param {string[]} symbols all that are served
   * @param {() => void} onChange
   */
  constructor(store, mapGrid, symbols, onChange) {
    this.#store = store;
    this.#mapGrid = mapGrid;
    this.#symbols = symbols;
    this.#onChange = onChange;
  }

  /** By key: one map, four, nine, if there are as many markets, and one again. */
  nextGrid() {
    const { grid, cells } = this.#store.state;
    const next = { 1: 4, 4: this.#symbols.length > 4 ? 9 : 1, 9: 1 }[grid] ?? 1;
    this.#showGrid(cells.length ? 1 : next);
  }

  /** What the panel has in it. @returns {Child[]} */
  menu() {
    const { state } = this.#store;
    const isGrid = (/** @type {number} */ grid) => !state.cells.length && state.grid === grid;
    const grids = GRIDS.map(([grid, name]) => {
      const onclick = () => this.#changed(() => this.#showGrid(grid));
      return h("button", { type: "button", "aria-pressed": String(isGrid(grid)), onclick }, name);
    });
    const popOut = () => this.popOut(this.#mapGrid.focusKey);
    return [
      h("div", { class: "segments", role: "group", "aria-label": "Grid" }, ...grids),
      h("p", { class: "quiet" }, state.cells.length ? OWN_TEXT : SHARED_TEXT),
      ...this.#addForm(),
      h("button", { type: "button", class: "plain", onclick: popOut }, "This map in a window of its own"),
      h("hr"),
      h("h2", {}, "Saved layouts"),
      ...this.#saved(),
      this.#saveForm(),
    ];
  }

  /** A map more, of a market and window chosen. @returns {Child[]} */
  #addForm() {
    const cells = this.#cells;
    if (cells.length >= MOST_CELLS) return [h("p", { class: "quiet" }, `${MOST_CELLS} maps at most.`)];
    const { state } = this.#store;
    const option = (/** @type {string} */ chosen) => (/** @type {string} */ each) =>
      h("option", { value: each, selected: each === chosen }, each);
    const { symbol } = state;
    const [unused] = WINDOW_NAMES.filter((window) => !cells.includes(formatCell({ symbol, window })));
    const market = h("select", { "aria-label": "Market of the new map" });
    market.append(...this.#symbols.map(option(symbol)));
    const window = h("select", { "aria-label": "Window of the new map" });
    window.append(...WINDOW_NAMES.map(option(unused)));
    const onclick = () => this.#changed(() => this.add(`${market.value}:${window.value}`));
    const add = h("button", { type: "button", onclick }, "Add map");
    return [h("div", { class: "setting add-map" }, market, window, add)];
  }

  /** @returns {Child[]} */
  #saved() {
    const layouts = savedLayouts();
    if (!layouts.length) return [h("p", { class: "quiet" }, NONE_TEXT)];
    return layouts.map(({ name, cells }) => {
      const open = () => this.#changed(() => this.open(cells));
      const remove = () => this.#changed(() => removeLayout(name));
      const title = `Delete the layout ${name}`;
      const maps = h("span", {}, cells.join(", "));
      return h(
        "div",
        { class: "saved-layout" },
        h("button", { type: "button", class: "item", onclick: open }, h("b", {}, name), maps),
        h("button", { type: "button", class: "close", "aria-label": title, title, onclick: remove }, "×"),
      );
    });
  }

  #saveForm() {
    const named = { placeholder: "Name", "aria-label": "Name of the layout" };
    const name = h("input", { type: "text", maxlength: LONGEST_NAME, ...named });
    const save = () => {
      const text = name.value.trim();
      if (!text) return name.focus();
      this.#changed(() => saveLayout(text, this.#cells));
      announce(`Layout ${text} saved`);
    };
    name.addEventListener("keydown", ({ key }) => key === "Enter" && save());
    const button = h("button", { type: "button", onclick: save }, "Save these maps");
    return h("div", { class: "setting save-layout" }, name, button);
  }

  /** The maps in sight. */
  get #cells() {
    const symbols = this.#mapGrid.cells.map(({ symbol }) => symbol);
    return cellsOf(this.#store.state, symbols);
  }

  /** @param {string} cell as BTCUSDT:12h */
  add(cell) {
    const cells = this.#cells;
    if (cells.includes(cell)) return note("This map is there already");
    this.open([...cells, cell], cell);
  }

  /** @param {string} cell */
  remove(cell) {
    const left = this.#cells.filter((each) => each !== cell);
    if (left.length > 1) this.open(left);
    else this.#leave(left[0] ?? cell);
  }

  /**
   * Shows these maps, but for those of markets that are not served.
   * @param {string[]} wanted
   * @param {string} [focus] one of them
   */
  open(wanted, focus = formatCell(this.#store.state)) {
    const cells = wanted.filter((cell) => this.#symbols.includes(cell.split(":")[0]));
    if (!cells.length) return note("None of its markets is on this server");
    if (cells.length < wanted.length) note("Some of its markets are not on this server");
    const cell = parseCell(cells.includes(focus) ? focus : cells[0]);
    if (!cell) return;
    const { state } = this.#store;
    const own = cell.symbol === state.symbol ? {} : marketPatch(state, cell.symbol);
    this.#store.set({ ...own, ...cell, cells, times: [] });
  }

  /** In a window of its own, with this page's look. @param {string} key of a map in sight */
  popOut(key) {
    const cell = this.#mapGrid.cells.find((each) => each.key === key);
    if (!cell) return;
    const { state } = this.#store;
    const { symbol, window } = cell;
    const isFocus = key === this.#mapGrid.focusKey;
    const own = isFocus ? {} : { times: [], low: null, high: null, if: null, prices: [] };
    const fit = !isFocus && state.fit === "free" ? "near" : state.fit;
    const alone = { ...state, ...own, fit, symbol, window, cells: [], grid: 1, markets: [], panel: false };
    const url = new URL(`?${formatState(alone)}`, location.href);
    globalThis.open(url, "_blank", "popup,width=900,height=640,noopener");
  }

  /** @param {string} cell the one that is left */
  #leave(cell) {
    const { state } = this.#store;
    const one = parseCell(cell);
    if (!one) return;
    const own = one.symbol === state.symbol ? {} : marketPatch(state, one.symbol);
    this.#store.set({ ...own, ...one, cells: [], grid: 1 });
  }

  /** @param {number} grid */
  #showGrid(grid) {
    this.#store.set({ grid, cells: [] });
  }

  /** @param {() => void} change */
  #changed(change) {
    change();
    this.#onChange();
  }
}
