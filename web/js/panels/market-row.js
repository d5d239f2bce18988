// @ts-check
/**
 * One row of the table of all markets. What did not change is not touched.
 * @module
 */

import { COLUMNS } from "../data/market-rows.js";
import { h, put } from "./dom.js";

/** @typedef {import("../data/market-rows.js").Cell} Cell */

export class MarketRowView {
  /** @type {Map<string, { element: HTMLElement, text: string }>} by column */
  #cells = new Map();
  #link = h("a");
  #stale = h("small", { class: "tag", hidden: true }, "stale");
  element;

  constructor() {
    this.element = h(
      "tr",
      {},
      ...COLUMNS.map(({ key }) => {
        const element =
          key === "market" ? h("th", { scope: "row" }, this.#link, this.#stale) : h("td", {});
        element.classList.add(`c-${key}`);
        this.#cells.set(key, { element, text: "" });
        return element;
      }),
    );
  }

  get link() {
    return this.#link;
  }

  /**
   * @param {import("../data/market-rows.js").MarketRow} row
   * @param {number} index of the row among all, from 0
   */
  show(row, index) {
    const at = String(index + 2); // after the heading
    if (this.element.getAttribute("aria-rowindex") !== at) this.element.setAttribute("aria-rowindex", at);
    if (this.element.classList.contains("old") !== Boolean(row.stale)) {
      this.element.classList.toggle("old", Boolean(row.stale));
      this.#stale.hidden = !row.stale;
    }
    for (const { key, cell } of COLUMNS) this.#fill(key, cell(row));
  }

  /**
   * @param {import("../state/market-view.js").ColumnKey} sort
   * @param {import("../state/market-view.js").ColumnKey} third the one beside market and price on a phone
   */
  mark(sort, third) {
    for (const [key, { element }] of this.#cells) {
      element.classList.toggle("sorted", key === sort);
      element.classList.toggle("third", key === third);
    }
  }

  /**
   * @param {string} key
   * @param {Cell} cell
   */
  #fill(key, { text, more = "", tone = "", longs }) {
    const held = this.#cells.get(key);
    const all = `${text} ${more} ${tone} ${longs?.toFixed(2) ?? ""}`;
    if (!held || held.text === all) return;
    held.text = all;
    if (key === "market") {
      this.#link.textContent = text;
      this.#link.setAttribute("href", `./?${new URLSearchParams({ symbol: text })}`);
      return;
    }
    const only = held.element.firstChild;
    if (held.element.dataset.tone !== tone) held.element.dataset.tone = tone;
    if (!more && longs === undefined && only instanceof Text && held.element.childNodes.length === 1) {
      only.data = text;
      return;
    }
    put(held.element, text, more && h("b", {}, more), longs !== undefined && share(longs));
  }
}

/** @param {number} longs 0 to 1 */
function share(longs) {
  const parts = [
    ["long", longs],
    ["short", 1 - longs],
  ];
  return h(
    "span",
    { class: "share", role: "img", "aria-label": `${Math.round(100 * longs)} % longs` },
    ...parts.map(([side, part]) => {
      const bar = h("i", { class: side });
      bar.style.flexGrow = String(part);
      return bar;
    }),
  );
}
