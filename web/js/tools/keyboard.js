// @ts-check
/**
 * Everything by keyboard, and the overlay that shows it, with what the page is made of.
 * @module
 */

import { h, put } from "../panels/dom.js";
import { ESTIMATE_TEXT } from "../panels/estimate.js";

/**
 * @typedef {object} Shortcut `run` returns false when the key was not for it
 * @property {string[]} keys
 * @property {string} name
 * @property {(key: string, event: KeyboardEvent) => unknown} run
 * @property {string} [shown]
 */

/** Keys that a control in focus needs for itself. */
const OWN_KEYS = new Set(["INPUT", "SELECT", "TEXTAREA"]);
/** What is in focus to be scrolled. */
const SCROLLED = "#side-body, .tape-rows, #context";
const DOWN_KEYS = new Set(["ArrowUp", "ArrowDown", "End"]);
const ACROSS_KEYS = new Set(["ArrowLeft", "ArrowRight"]);

/**
 * @param {Shortcut[]} shortcuts
 * @returns {void}
 */
export function listen(shortcuts) {
  const byKey = new Map(shortcuts.flatMap((shortcut) => shortcut.keys.map((key) => [key, shortcut])));
  document.addEventListener("keydown", (event) => {
    if (isCommand(event) || event.defaultPrevented) return;
    if (OWN_KEYS.has(/** @type {HTMLElement} */ (event.target).tagName) && event.key !== "Escape") return;
    const key = shortcutKey(event);
    const shortcut = byKey.get(key);
    if (!shortcut || isScrolled(event.target, key)) return;
    if (document.querySelector("dialog[open]")) return; // it has the keyboard for itself
    if (shortcut.run(key, event) !== false) event.preventDefault();
  });
}

/**
 * Whether the key scrolls what is in focus, and so does not move the map: also a menu whose control is.
 * @param {EventTarget | null} target
 * @param {string} key
 */
function isScrolled(target, key) {
  if (!(target instanceof Element)) return false; // the document itself: nothing is in focus
  const first = target.closest(".popover") ?? (target.matches(SCROLLED) ? target : null);
  for (let box = first; box; box = box.parentElement) {
    const { overflowX, overflowY } = getComputedStyle(box);
    if (DOWN_KEYS.has(key) && overflowY === "auto" && box.scrollHeight > box.clientHeight) return true;
    if (ACROSS_KEYS.has(key) && overflowX === "auto" && box.scrollWidth > box.clientWidth) return true;
  }
  return false;
}

/**
 * Whether a press is meant for the browser. A sign that takes Alt, or Ctrl and Alt, to be written, as
 * brackets do on many keyboards, is not.
 * @param {Pick<KeyboardEvent, "key" | "altKey" | "ctrlKey" | "metaKey">} event
 */
export function isCommand({ key, altKey, ctrlKey, metaKey }) {
  const isWritten = altKey && /^[^\p{L}\p{N}\s]$/u.test(key);
  return metaKey || ((altKey || ctrlKey) && !isWritten);
}

/** Signs of a US keyboard where other scripts have letters. @type {Record<string, string>} */
const SIGNS = { BracketLeft: "[", BracketRight: "]", Comma: ",", Period: "." };

/**
 * The key by its letter, or by its place where a keyboard writes another script.
 * @param {Pick<KeyboardEvent, "key" | "code">} event
 */
export function shortcutKey({ key, code }) {
  if (key.length !== 1) return key;
  const isOther = /\p{L}/u.test(key) && !/\p{Script=Latin}/u.test(key);
  if (!isOther) return key.toLowerCase();
  return /^Key[A-Z]$/.test(code) ? code[3].toLowerCase() : (SIGNS[code] ?? key);
}

/**
 * @param {Shortcut[]} shortcuts
 * @param {string} version
 */
export function helpDialog(shortcuts, version) {
  const dialog = h("dialog", { class: "help", "aria-label": "Keyboard and about" });
  const link = (/** @type {string} */ href, /** @type {string} */ text) =>
    h("a", { href, target: "_blank", rel: "noopener" }, text);
  put(
    dialog,
    h(
      "div",
      { class: "dialog-head" },
      h("h2", {}, "Keyboard"),
      h(
        "button",
        { type: "button", class: "close", "aria-label": "Close", onclick: () => dialog.close() },
        "×",
      ),
    ),
    shortcutList(shortcuts),
    h("h2", {}, "Mouse and touch"),
    h(
      "p",
      {},
      "Drag to move, wheel or pinch to zoom, drag the axes to stretch them, double-click an axis to " +
        "reset it. Shift-drag measures. Click the + on the price axis to add a price alert there, " +
        "and drag it; the bell has more, and rules that the server watches while this page is closed; " +
        "the → beside it, or a finger that rests on the map, asks what would be liquidated if the price " +
        "went there: Enter copies the sentence, Delete removes the line. The pencil, or H, " +
        "draws lines, boxes and texts, kept in this browser: drag them, or tap one and drag it.",
    ),
    h("h2", {}, "What the map shows"),
    h("p", {}, ESTIMATE_TEXT),
    h(
      "p",
      {},
      "A band begins when positions were opened and ends when the price swept its level. Clusters shows " +
        "the levels that stand out from their local average, All levels every level. Hatched is what " +
        "nothing is known of: a time without data, or prices beyond the model's range. How good the map is " +
        "on this server's own data is under Accuracy.",
    ),
    h("h2", {}, "About"),
    h("p", {}, link("docs/", "Documentation"), " of this version."),
    h(
      "p",
      {},
      `liqstream ${version}. Charts: TradingView Lightweight Charts, copyright (c) 2023 TradingView, Inc., `,
      link("https://www.tradingview.com/", "https://www.tradingview.com/"),
      ", Apache License 2.0 (",
      link("static/vendor/lightweight-charts.LICENSE.txt", "licence"),
      ", ",
      link("static/vendor/lightweight-charts.NOTICE.txt", "notice"),
      "). Colours: viridis and magma, CC0.",
    ),
  );
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  document.body.append(dialog);
  return dialog;
}

/** @param {Shortcut[]} shortcuts those without a name are left out */
export function shortcutList(shortcuts) {
  const key = (/** @type {string} */ name) => h("kbd", {}, name.length === 1 ? name.toUpperCase() : name);
  const rows = shortcuts
    .filter(({ name }) => name)
    .map(({ keys, shown, name }) =>
      h("div", {}, h("dt", {}, ...(shown ? [shown] : keys).map(key)), h("dd", {}, name)),
    );
  return h("dl", {}, ...rows);
}
