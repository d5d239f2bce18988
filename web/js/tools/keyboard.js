// @ts-check
/**
 * Everything by keyboard, and the overlay that shows it, with what the page is made of.
 * @module
 */

import { h, put } from "../panels/dom.js";

/** @typedef {{ keys: string[], name: string, run: (key: string) => unknown, shown?: string }} Shortcut `run` returns false when the key was not for it */

/** Keys that a control in focus needs for itself. */
const OWN_KEYS = new Set(["INPUT", "SELECT", "TEXTAREA"]);

/** @param {Shortcut[]} shortcuts @returns {void} */
export function listen(shortcuts) {
  const byKey = new Map(shortcuts.flatMap((shortcut) => shortcut.keys.map((key) => [key, shortcut])));
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (OWN_KEYS.has(/** @type {HTMLElement} */ (event.target).tagName) && event.key !== "Escape") return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const shortcut = byKey.get(key);
    if (!shortcut) return;
    if (document.querySelector("dialog[open]")) return; // it has the keyboard for itself
    if (shortcut.run(key) !== false) event.preventDefault();
  });
}

/** @param {Shortcut[]} shortcuts @param {string} version */
export function helpDialog(shortcuts, version) {
  const dialog = h("dialog", { class: "help", "aria-label": "Keyboard and about" });
  const link = (/** @type {string} */ href, /** @type {string} */ text) => h("a", { href, target: "_blank", rel: "noopener" }, text);
  put(
    dialog,
    h("div", { class: "dialog-head" }, h("h2", {}, "Keyboard"), h("button", { type: "button", class: "close", "aria-label": "Close", onclick: () => dialog.close() }, "×")),
    h("dl", {}, ...shortcuts.filter(({ name }) => name).map(({ keys, shown, name }) => h("div", {}, h("dt", {}, ...(shown ? [shown] : keys).map((key) => h("kbd", {}, key.length === 1 ? key.toUpperCase() : key))), h("dd", {}, name)))),
    h("h2", {}, "Mouse and touch"),
    h("p", {}, "Drag to move, wheel or pinch to zoom, drag the axes to stretch them, double-click an axis to let it fit again. Shift-drag measures. Click the + on the price axis to set an alert there, and drag it."),
    h("h2", {}, "What the map says"),
    h("p", {}, "An estimate of where leveraged positions would be force-closed, from price and open interest: it is not a list of real orders. Bands begin where positions were opened and end where the price swept them. Clusters show what stands out from its surroundings, density all that stands. How good it is, on this server's own data, stands under Accuracy."),
    h("h2", {}, "About"),
    h("p", {}, `liqstream ${version}. Charts: TradingView Lightweight Charts, copyright (c) 2023 TradingView, Inc., `, link("https://www.tradingview.com/", "https://www.tradingview.com/"), ", Apache License 2.0 (", link("/static/vendor/lightweight-charts.LICENSE.txt", "licence"), ", ", link("/static/vendor/lightweight-charts.NOTICE.txt", "notice"), "). Colours: viridis and magma, CC0."),
  );
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  document.body.append(dialog);
  return dialog;
}
