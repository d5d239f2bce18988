// @ts-check
/**
 * The table of all markets: only the rows in sight are elements, and of those only the changed cells are
 * written. The order holds still while the pointer or the focus is among the rows.
 * @module
 */

import { price as priceText } from "../data/format.js";
import { COLUMNS, orderOf, rowsOf } from "../data/market-rows.js";
import { h, put } from "./dom.js";
import { MarketRowView } from "./market-row.js";

/** @typedef {import("../state/market-view.js").MarketView} MarketView */
/** @typedef {import("../state/market-view.js").ColumnKey} ColumnKey */
/** @typedef {import("../data/market-rows.js").MarketRow} MarketRow */

/** Rows above and below those in sight, so that scrolling shows no blank ones. */
const SPARE = 8;
/** Letters of a price that a column of usual width has room for. */
const USUAL_LENGTH = 12;
const LETTER_PX = 9;
const PADDING_PX = 28;

export class MarketTablePanel {
  /** @type {Map<string, MarketRow>} */
  #rows = new Map();
  /** @type {string[]} the markets in the order shown */
  #order = [];
  /** @type {Map<string, MarketRowView>} those that are elements, by symbol */
  #views = new Map();
  /** @type {MarketRowView[]} those out of use */
  #free = [];
  /** @type {MarketView} */
  #view;
  #isPointedAt = false;
  /** The row the arrow keys start from; -1: none yet. */
  #at = -1;
  #rowPx = 36;
  #scroll;
  #table;
  #head = h("tr", { "aria-rowindex": 1 });
  #body = h("tbody", { translate: "no" });
  #above = h("td");
  #below = h("td");

  /**
   * @param {HTMLElement} scroll what scrolls
   * @param {MarketView} view
   * @param {(key: ColumnKey) => void} onSort called when a column's heading is chosen
   */
  constructor(scroll, view, onSort) {
    this.#scroll = scroll;
    this.#view = view;
    put(this.#head, ...COLUMNS.map((column) => heading(column, onSort)));
    const spacer = (/** @type {HTMLElement} */ cell) =>
      h("tbody", { class: "spacer", "aria-hidden": "true" }, h("tr", {}, cell));
    this.#table = h(
      "table",
      {},
      h("caption", { class: "unseen" }, "All markets; a row opens the market's map"),
      h("thead", {}, this.#head),
      spacer(this.#above),
      this.#body,
      spacer(this.#below),
    );
    put(scroll, this.#table);
    this.#listen();
    new ResizeObserver(() => this.#measure()).observe(scroll);
    this.#measure();
    this.#markSort();
  }

  /** How many markets are shown, of how many there are. */
  get counts() {
    return { shown: this.#order.length, all: this.#rows.size };
  }

  /** @param {import("../wire/market-table.js").MarketTable} table */
  show(table) {
    const before = this.#rows;
    this.#rows = rowsOf(table);
    this.#makeRoom();
    const isSame =
      before.size === this.#rows.size && [...this.#rows.keys()].every((name) => before.has(name));
    if (!isSame || !this.#isHeld) this.#sort();
    this.#draw();
  }

  /** @param {MarketView} view */
  apply(view) {
    this.#view = view;
    this.#markSort();
    this.#sort();
    this.#at = -1;
    this.#scroll.scrollTop = 0;
    this.#draw();
  }

  /**
   * Moves the focus among the rows, from the one in focus or the first.
   * @param {number} by rows; infinite: to the end
   */
  move(by) {
    if (!this.#order.length) return;
    const from = this.#at < 0 && by > 0 && Number.isFinite(by) ? -1 : this.#at;
    this.#at = Math.min(this.#order.length - 1, Math.max(0, from + by));
    const top = this.#at * this.#rowPx;
    const room = this.#scroll.clientHeight - this.#head.offsetHeight - this.#rowPx;
    if (top < this.#scroll.scrollTop) this.#scroll.scrollTop = top;
    else if (top > this.#scroll.scrollTop + room) this.#scroll.scrollTop = top - room;
    this.#draw();
    this.#views.get(this.#order[this.#at])?.link.focus({ preventScroll: true });
  }

  get #isHeld() {
    return this.#isPointedAt || this.#body.contains(document.activeElement);
  }

  #listen() {
    this.#scroll.addEventListener("scroll", () => this.#draw(), { passive: true });
    this.#body.addEventListener("pointerover", ({ pointerType }) => {
      this.#isPointedAt = pointerType === "mouse";
    });
    this.#body.addEventListener("pointerleave", () => {
      this.#isPointedAt = false;
      this.#letGo();
    });
    this.#body.addEventListener("focusout", ({ relatedTarget }) => {
      if (!this.#body.contains(/** @type {Node | null} */ (relatedTarget))) this.#letGo();
    });
    this.#body.addEventListener("focusin", ({ target }) => {
      const name = /** @type {HTMLElement} */ (target).textContent ?? "";
      this.#at = this.#order.indexOf(name);
    });
    this.#body.addEventListener("click", (event) => {
      const target = /** @type {HTMLElement} */ (event.target);
      const link = target.closest("tr")?.querySelector("a");
      if (!link || target.closest("a") || getSelection()?.toString()) return;
      if (event.ctrlKey || event.metaKey) window.open(link.href, "_blank", "noopener");
      else link.click();
    });
  }

  /** Pointer and focus have left: the rows take the order they should have. */
  #letGo() {
    queueMicrotask(() => {
      if (this.#isHeld) return;
      this.#sort();
      this.#draw();
    });
  }

  /** For prices of many digits, which a column of the usual width would cut. */
  #makeRoom() {
    const { style, classList } = this.#scroll;
    const longest = longestPrice([...this.#rows.values()]);
    classList.toggle("long-prices", longest > USUAL_LENGTH);
    const width = `${longest * LETTER_PX + PADDING_PX}px`;
    if (style.getPropertyValue("--price") !== width) style.setProperty("--price", width);
  }

  #sort() {
    this.#order = orderOf(this.#rows, this.#view);
  }

  #measure() {
    const given = Number.parseFloat(getComputedStyle(this.#scroll).getPropertyValue("--row"));
    this.#rowPx = given || this.#rowPx;
    this.#draw();
  }

  #draw() {
    const first = Math.max(0, Math.floor(this.#scroll.scrollTop / this.#rowPx) - SPARE);
    const count = Math.ceil(this.#scroll.clientHeight / this.#rowPx) + 2 * SPARE;
    const shown = this.#order.slice(first, first + count);
    this.#above.style.height = `${first * this.#rowPx}px`;
    this.#below.style.height = `${(this.#order.length - first - shown.length) * this.#rowPx}px`;
    this.#table.setAttribute("aria-rowcount", String(this.#order.length + 1));
    this.#dropAllBut(new Set(shown));
    /** @type {Element | null} */
    let next = this.#body.firstElementChild;
    for (const [i, symbol] of shown.entries()) {
      const view = this.#viewOf(symbol);
      if (view.element === next) next = next.nextElementSibling;
      else this.#body.insertBefore(view.element, next);
      view.show(/** @type {MarketRow} */ (this.#rows.get(symbol)), first + i);
    }
  }

  /** @param {Set<string>} shown */
  #dropAllBut(shown) {
    for (const [symbol, view] of this.#views) {
      if (shown.has(symbol)) continue;
      // The keys go on from here: a row out of sight has no element to be in focus.
      const hadFocus = view.element.contains(document.activeElement);
      const at = this.#at;
      view.element.remove();
      this.#views.delete(symbol);
      this.#free.push(view);
      if (hadFocus) this.#scroll.focus({ preventScroll: true });
      this.#at = at;
    }
  }

  /** @param {string} symbol */
  #viewOf(symbol) {
    let view = this.#views.get(symbol);
    if (!view) {
      view = this.#free.pop() ?? new MarketRowView();
      view.mark(this.#view.sort, this.#third);
      this.#views.set(symbol, view);
    }
    return view;
  }

  /** The column a phone shows beside market and price. */
  get #third() {
    return ["market", "price"].includes(this.#view.sort) ? "change" : this.#view.sort;
  }

  #markSort() {
    const { sort, descending } = this.#view;
    for (const [i, cell] of [...this.#head.children].entries()) {
      const { key } = COLUMNS[i];
      cell.classList.toggle("sorted", key === sort);
      cell.classList.toggle("third", key === this.#third);
      if (key === sort) cell.setAttribute("aria-sort", descending ? "descending" : "ascending");
      else cell.removeAttribute("aria-sort");
    }
    for (const view of [...this.#views.values(), ...this.#free]) view.mark(sort, this.#third);
  }
}

/**
 * @param {MarketRow[]} rows
 * @returns {number} letters: the smallest price has the most decimals, the largest the most before them
 */
function longestPrice(rows) {
  const prices = rows.flatMap(({ price }) => (typeof price === "number" && price > 0 ? [price] : []));
  if (!prices.length) return 0;
  const ends = [prices.reduce((a, b) => Math.min(a, b)), prices.reduce((a, b) => Math.max(a, b))];
  return Math.max(...ends.map((price) => priceText(price).length));
}

/**
 * @param {import("../data/market-rows.js").Column} column
 * @param {(key: ColumnKey) => void} onSort
 */
function heading({ key, name, meaning }, onSort) {
  const button = h("button", { type: "button", title: meaning, onclick: () => onSort(key) }, name, h("i"));
  return h("th", { scope: "col", class: `c-${key}` }, button);
}
