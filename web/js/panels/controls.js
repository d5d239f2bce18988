// @ts-check
/**
 * The row of controls: markets, windows and views, following the state.
 * @module
 */

import { find, h, put } from "./dom.js";
import { marketPatch } from "../state/fits.js";
import { WINDOW_NAMES } from "../state/windows.js";

/** @typedef {import("../state/store.js").Store} Store */

/** @param {Store} store @param {string[]} symbols */
export function showControls(store, symbols) {
  const markets = find("#markets");
  const select = /** @type {HTMLSelectElement} */ (find("#market-select"));
  put(markets, ...symbols.map((symbol) => h("button", { type: "button", data: { value: symbol } }, symbol)));
  put(select, ...symbols.map((symbol) => h("option", { value: symbol }, symbol)));
  put(find("#windows"), ...WINDOW_NAMES.map((name) => h("button", { type: "button", data: { value: name } }, name)));
  const windows = /** @type {HTMLSelectElement} */ (find("#window-select"));
  put(windows, ...WINDOW_NAMES.map((name) => h("option", { value: name }, name)));
  windows.addEventListener("change", () => store.set({ window: /** @type {any} */ (windows.value), times: [] }));
  choose(markets, store, "symbol");
  scrollTabs(markets, store);
  choose(find("#windows"), store, "window");
  choose(find("#view"), store, "view");
  select.addEventListener("change", () => store.set(marketPatch(store.state, select.value)));
  const follow = () => {
    select.value = store.state.symbol;
    windows.value = store.state.window;
  };
  store.subscribe(follow);
  follow();
}

/** Tabs that do not all fit scroll, fade where there are more, and keep the chosen one in sight. @param {HTMLElement} tabs @param {Store} store */
function scrollTabs(tabs, store) {
  const mark = () => {
    tabs.classList.toggle("less", tabs.scrollLeft > 1);
    tabs.classList.toggle("more", tabs.scrollLeft + tabs.clientWidth < tabs.scrollWidth - 1);
  };
  const show = () => {
    tabs.querySelector("[aria-pressed=true]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
    mark();
  };
  tabs.addEventListener("scroll", mark, { passive: true });
  tabs.addEventListener("wheel", (event) => {
    if (event.deltaX || tabs.scrollWidth <= tabs.clientWidth) return;
    tabs.scrollLeft += event.deltaY;
    event.preventDefault();
  });
  new ResizeObserver(show).observe(tabs);
  store.subscribe((_, changed) => changed.has("symbol") && show());
}

/**
 * A group of buttons that sets one key of the state.
 * @param {HTMLElement} group @param {Store} store @param {"symbol" | "window" | "view" | "side" | "palette" | "scale" | "fit" | "candleColours" | "theme"} key
 */
export function choose(group, store, key) {
  const buttons = [...group.querySelectorAll("button")];
  const follow = () => {
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.value === store.state[key]));
  };
  group.addEventListener("click", (event) => {
    const value = /** @type {HTMLElement} */ (event.target).closest("button")?.dataset.value;
    if (!value) return;
    if (key === "symbol") store.set(marketPatch(store.state, value));
    else store.set(/** @type {any} */ ({ [key]: value, ...(key === "window" ? { times: [] } : {}) }));
  });
  store.subscribe((_, changed) => changed.has(key) && follow());
  follow();
}
