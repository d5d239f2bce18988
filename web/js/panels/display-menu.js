// @ts-check
/**
 * What is drawn and how: sides, colours, price range, candles, exchanges, theme and time zone.
 * @module
 */

import { choose } from "./controls.js";
import { h } from "./dom.js";
import { measuredBox } from "./measured-note.js";

/** @typedef {import("../state/view-state.js").ViewStore} ViewStore */

/**
 * @param {ViewStore} store
 * @param {() => string[]} exchanges those behind the map
 * @param {{ lookBack: () => void, draw: () => void }} start each starts it, or ends it
 * @returns {() => import("./dom.js").Child[]}
 */
export function displayMenu(store, exchanges, start) {
  const options = choices.bind(null, store);
  const flag = flagBox.bind(null, store);
  return () => [
    options("Sides", "side", [
      ["both", "Both"],
      ["long", "Longs"],
      ["short", "Shorts"],
    ]),
    options("Price range", "fit", [
      ["near", "Near"],
      ["candles", "Candles"],
      ["map", "Whole map"],
    ]),
    flag("Logarithmic price", "logPrice"),
    h("hr"),
    options("Palette", "palette", [
      ["viridis", "Viridis"],
      ["magma", "Magma"],
    ]),
    options("Colour scale", "scale", [
      ["sqrt", "Square root"],
      ["linear", "Linear"],
      ["log", "Log"],
      ["rank", "Rank"],
    ]),
    flag("Lock colour scale", "lock"),
    h("hr"),
    flag("Candles", "candles"),
    options("Candle colours", "candleColours", [
      ["orange", "White, orange"],
      ["green", "Green, red"],
    ]),
    flag("Liquidations", "dots"),
    flag("Swept clusters", "swept"),
    h("button", { type: "button", class: "plain", onclick: start.lookBack }, "Look back, replay (Z)"),
    h("button", { type: "button", class: "plain", onclick: start.draw }, "Draw lines, boxes, text (H)"),
    h("hr"),
    ...exchangeBoxes(store, exchanges()),
    measuredBox(store),
    options("Theme", "theme", [
      ["dark", "Dark"],
      ["light", "Light"],
      ["auto", "System"],
    ]),
    flag("Times in UTC", "utc"),
    flag("Side panel", "panel"),
    options("Below the map", "pane", [
      ["none", "Nothing"],
      ["oi", "Open interest"],
    ]),
    flag("Keep updating in the background", "background"),
  ];
}

/**
 * @param {ViewStore} store
 * @param {string} name
 * @param {Parameters<typeof choose>[2]} key
 * @param {[string, string][]} options value, text
 */
function choices(store, name, key, options) {
  const group = h(
    "div",
    { class: "segments", role: "group", "aria-label": name },
    ...options.map(([value, text]) => h("button", { type: "button", data: { value } }, text)),
  );
  choose(group, store, key);
  return h("div", { class: "setting" }, h("span", {}, name), group);
}

/**
 * @param {ViewStore} store
 * @param {string} name
 * @param {"lock" | "logPrice" | "candles" | "dots" | "swept" | "panel" | "utc" | "background"} key
 */
function flagBox(store, name, key) {
  const box = h("input", {
    type: "checkbox",
    checked: store.state[key],
    onchange: () => store.set({ [key]: box.checked }),
  });
  return h("label", { class: "setting" }, h("span", {}, name), box);
}

/**
 * @param {ViewStore} store
 * @param {string[]} exchanges
 */
function exchangeBoxes(store, exchanges) {
  if (exchanges.length < 2) {
    return exchanges.length
      ? [h("div", { class: "setting" }, h("span", {}, "Exchange"), h("b", {}, exchanges[0]))]
      : [];
  }
  const chosen = store.state.venues.length ? store.state.venues : exchanges;
  const boxes = exchanges.map((exchange) =>
    h("input", {
      type: "checkbox",
      name: exchange,
      checked: chosen.includes(exchange),
      onchange: () => choice(),
    }),
  );
  const choice = () => {
    const wanted = exchanges.filter((_, i) => boxes[i].checked);
    store.set({ venues: wanted.length === exchanges.length || !wanted.length ? [] : wanted });
  };
  return [
    h(
      "div",
      { class: "setting" },
      h("span", {}, "Exchanges"),
      h("div", { class: "boxes" }, ...exchanges.map((exchange, i) => h("label", {}, boxes[i], exchange))),
    ),
  ];
}
