// @ts-check
/**
 * The row of controls: markets, windows and views, following the state.
 * @module
 */

import { find, h, put } from "./dom.js";
import { marketPatch } from "../state/price-range-choice.js";
import { WINDOW_NAMES } from "../state/time-windows.js";

/** @typedef {import("../state/time-windows.js").WindowName} WindowName */
/** @typedef {import("../state/view-state.js").ViewStore} ViewStore */

/** The choice that leads to the page of all markets. */
const ALL = "";
const QUOTES = ["USDT", "USDC", "USD"];

/**
 * @param {ViewStore} store
 * @param {string[]} symbols
 * @returns {() => void} shows the markets that are in `symbols` by then
 */
export function showControls(store, symbols) {
  const markets = find("#markets");
  const select = /** @type {HTMLSelectElement} */ (find("#market-select"));
  let quote = "";
  const named = (/** @type {string} */ symbol) => symbol.slice(0, symbol.length - quote.length);
  const more = h("select", { class: "more-markets", "aria-label": "More markets", hidden: true });
  const showMarkets = () => {
    quote = commonQuote(symbols);
    put(
      markets,
      ...symbols.map((symbol) =>
        h("button", { type: "button", title: symbol, data: { value: symbol } }, named(symbol)),
      ),
      more,
    );
    put(
      select,
      h("option", { value: ALL }, "Markets"),
      ...symbols.map((symbol) => h("option", { value: symbol }, symbol)),
    );
  };
  showMarkets();
  put(
    find("#windows"),
    ...WINDOW_NAMES.map((name) => h("button", { type: "button", data: { value: name } }, name)),
  );
  const windows = /** @type {HTMLSelectElement} */ (find("#window-select"));
  put(windows, ...WINDOW_NAMES.map((name) => h("option", { value: name }, name)));
  windows.addEventListener("change", () =>
    store.set({ window: /** @type {WindowName} */ (windows.value), times: [] }),
  );
  const press = choose(markets, store, "symbol");
  const fit = collapseTabs(markets, more, store, named);
  choose(find("#windows"), store, "window");
  choose(find("#view"), store, "view");
  select.addEventListener("change", () => {
    if (select.value === ALL) location.assign("markets");
    else store.set(marketPatch(store.state, select.value));
    sync();
  });
  const sync = () => {
    select.value = store.state.symbol;
    windows.value = store.state.window;
  };
  store.subscribe(sync);
  sync();
  return () => {
    showMarkets();
    press();
    sync();
    fit();
  };
}

/**
 * The quote coin that all of several markets have, which then need not be written on each.
 * @param {string[]} symbols
 * @returns {string} empty: there is none
 */
export function commonQuote(symbols) {
  if (symbols.length < 2) return "";
  return QUOTES.find((quote) => symbols.every((name) => name.endsWith(quote) && name !== quote)) ?? "";
}

/**
 * Tabs that do not all fit move into a menu at their end; the chosen one stays in sight.
 * @param {HTMLElement} tabs
 * @param {HTMLSelectElement} more the menu
 * @param {ViewStore} store
 * @param {(symbol: string) => string} named how a market is written
 * @returns {() => void} does it again, for other tabs
 */
function collapseTabs(tabs, more, store, named) {
  more.addEventListener("change", () => store.set(marketPatch(store.state, more.value)));
  const fit = () => {
    const buttons = [...tabs.querySelectorAll("button")];
    for (const button of buttons) button.hidden = false;
    more.hidden = true;
    const room = tabs.clientWidth;
    if (tabs.scrollWidth <= room) return;
    more.hidden = false;
    /** @type {string[]} */
    const gone = [];
    for (const button of [...buttons].reverse()) {
      put(more, h("option", { value: "", disabled: true, selected: true }, `+${gone.length || 1}`));
      if (tabs.scrollWidth <= room) break;
      if (button.dataset.value === store.state.symbol) continue;
      button.hidden = true;
      gone.unshift(button.dataset.value ?? "");
    }
    put(
      more,
      h("option", { value: "", disabled: true, selected: true, hidden: true }, `+${gone.length}`),
      ...gone.map((symbol) => h("option", { value: symbol }, named(symbol))),
    );
  };
  const observer = new ResizeObserver(fit);
  // Beside the tabs words come and go ("Connecting", "Live 12 s"): their room is taken from them.
  for (const part of [tabs.parentElement, find("#connection"), find("#labels")]) {
    if (part) observer.observe(part);
  }
  store.subscribe((_, changed) => changed.has("symbol") && fit());
  return fit;
}

/**
 * A group of buttons that sets one key of the state.
 * @param {HTMLElement} group
 * @param {ViewStore} store
 * @param {"symbol" | "window" | "view" | "side" | "palette" | "scale" | "fit" | "candleColours" | "theme" |
 * "pane"} key
 * @returns {() => void} presses the right one, of other buttons
 */
export function choose(group, store, key) {
  const sync = () => {
    for (const button of group.querySelectorAll("button")) {
      button.setAttribute("aria-pressed", String(button.dataset.value === store.state[key]));
    }
  };
  group.addEventListener("click", (event) => {
    const value = /** @type {HTMLElement} */ (event.target).closest("button")?.dataset.value;
    if (!value) return;
    if (key === "symbol") store.set(marketPatch(store.state, value));
    else {
      store.set(
        /** @type {import("../state/view-state.js").Patch} */ ({
          [key]: value,
          ...(key === "window" ? { times: [] } : {}),
        }),
      );
    }
  });
  store.subscribe((_, changed) => changed.has(key) && sync());
  sync();
  return sync;
}
