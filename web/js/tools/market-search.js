// @ts-check
/**
 * Finds a market by a part of its name, and a window where one is written behind it: "sol 7d". It is shown
 * on the map in focus.
 * @module
 */

import { h, put } from "../panels/dom.js";
import { marketPatch } from "../state/price-range-choice.js";
import { WINDOW_NAMES } from "../state/time-windows.js";
import { symbolOf } from "../wire/symbol-names.js";

/** @typedef {import("../state/view-state.js").ViewStore} ViewStore */
/** @typedef {import("../state/time-windows.js").WindowName} WindowName */

const SHOWN = 12;

export class MarketSearch {
  #store;
  #symbols;
  #input = h("input", {
    type: "text",
    role: "combobox",
    placeholder: "Market, as sol 7d",
    "aria-label": "Search a market",
    "aria-expanded": "true",
    "aria-controls": "found-markets",
    "aria-autocomplete": "list",
    autocomplete: "off",
    spellcheck: "false",
  });
  #list = h("ul", { id: "found-markets", role: "listbox", "aria-label": "Markets found" });
  #status = h("p", { class: "quiet", role: "status" });
  #dialog = h("dialog", { class: "market-search", "aria-label": "Search a market" });
  /** @type {string[]} */
  #found = [];
  #chosen = 0;

  /**
   * @param {ViewStore} store
   * @param {string[]} symbols all that are served
   */
  constructor(store, symbols) {
    this.#store = store;
    this.#symbols = symbols;
    put(this.#dialog, this.#input, this.#list, this.#status);
    document.body.append(this.#dialog);
    this.#input.addEventListener("input", () => this.#search());
    this.#dialog.addEventListener("keydown", (event) => this.#onKey(event));
    this.#dialog.addEventListener("click", ({ target }) => target === this.#dialog && this.#dialog.close());
    this.#list.addEventListener("click", ({ target }) => {
      const option = target instanceof Element ? target.closest("li") : null;
      if (option) this.#show([...this.#list.children].indexOf(option));
    });
  }

  open() {
    this.#input.value = "";
    this.#search();
    this.#dialog.showModal();
    this.#input.focus();
  }

  #search() {
    const { name, whole } = wantedOf(this.#input.value);
    const rank = (/** @type {string} */ symbol) => (symbol.startsWith(name) ? 0 : 1);
    const found = this.#symbols.filter((symbol) => symbol.includes(name) || symbol === whole);
    this.#found = found.sort((a, b) => rank(a) - rank(b)).slice(0, SHOWN);
    this.#chosen = 0;
    const more = found.length - this.#found.length;
    const rest = more > 0 ? `${more} more: type on` : "";
    this.#status.textContent = found.length ? rest : "No market of that name";
    this.#draw();
  }

  #draw() {
    const option = (/** @type {string} */ symbol, /** @type {number} */ i) =>
      h("li", { role: "option", id: `found-${i}`, "aria-selected": String(i === this.#chosen) }, symbol);
    put(this.#list, ...this.#found.map(option));
    if (this.#found.length) this.#input.setAttribute("aria-activedescendant", `found-${this.#chosen}`);
    else this.#input.removeAttribute("aria-activedescendant");
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Enter") this.#show(this.#chosen);
    else if (by && this.#found.length) {
      this.#chosen = (this.#chosen + by + this.#found.length) % this.#found.length;
      this.#draw();
    } else return;
    event.preventDefault();
  }

  /** @param {number} i of those found */
  #show(i) {
    const symbol = this.#found[i];
    if (!symbol) return;
    const { window } = wantedOf(this.#input.value);
    this.#dialog.close();
    const { state } = this.#store;
    const own = symbol === state.symbol ? {} : marketPatch(state, symbol);
    this.#store.set({ ...own, ...(window ? { window, times: [] } : {}) });
  }
}

/**
 * @param {string} text as typed
 * @returns {{ name: string, whole: string, window: WindowName | undefined }} a part of a symbol, and the
 *   symbol that the text is in any usual form; undefined: the window stays
 */
export function wantedOf(text) {
  const words = text.normalize("NFKC").split(/\s+/).filter(Boolean);
  const last = words.length > 1 ? words.at(-1)?.toLowerCase() : undefined;
  const window = WINDOW_NAMES.find((each) => each === last);
  const name = (window ? words.slice(0, -1) : words).join("");
  return { name: name.replace(/[^\p{L}\p{Nd}]/gu, "").toUpperCase(), whole: symbolOf(name), window };
}
