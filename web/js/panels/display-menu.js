// @ts-check
/**
 * What is drawn and how: sides, colours, price range, candles, venues, theme and time zone.
 * @module
 */

import { choose } from "./controls.js";
import { h } from "./dom.js";

/** @typedef {import("../state/store.js").Store} Store */

/** @param {Store} store @param {() => string[]} venues those behind the map @returns {() => import("./dom.js").Child[]} */
export function displayMenu(store, venues) {
  /** @param {string} name @param {Parameters<typeof choose>[2]} key @param {[string, string][]} options */
  const options = (name, key, options) => {
    const group = h("div", { class: "segments", role: "group", "aria-label": name }, ...options.map(([value, text]) => h("button", { type: "button", data: { value } }, text)));
    choose(group, store, key);
    return h("div", { class: "setting" }, h("span", {}, name), group);
  };
  /** @param {string} name @param {"lock" | "logPrice" | "candles" | "dots" | "panel" | "utc"} key */
  const flag = (name, key) => {
    const box = h("input", { type: "checkbox", checked: store.state[key], onchange: () => store.set({ [key]: box.checked }) });
    return h("label", { class: "setting" }, h("span", {}, name), box);
  };
  return () => [
    options("Sides", "side", [["both", "Both"], ["long", "Longs"], ["short", "Shorts"]]),
    options("Price range", "fit", [["near", "Near"], ["candles", "Candles"], ["map", "Whole map"]]),
    flag("Logarithmic price", "logPrice"),
    h("hr"),
    options("Colours", "palette", [["viridis", "Viridis"], ["magma", "Magma"]]),
    options("Intensity", "scale", [["sqrt", "√"], ["linear", "Linear"], ["log", "Log"], ["rank", "Rank"]]),
    flag("Hold the colours", "lock"),
    h("hr"),
    flag("Candles", "candles"),
    options("Candle colours", "candleColours", [["orange", "White, orange"], ["green", "Green, red"]]),
    flag("Realised liquidations", "dots"),
    h("hr"),
    ...venueBoxes(store, venues()),
    options("Theme", "theme", [["dark", "Dark"], ["light", "Light"], ["auto", "System"]]),
    flag("Times in UTC", "utc"),
    flag("Side panel", "panel"),
  ];
}

/** @param {Store} store @param {string[]} venues */
function venueBoxes(store, venues) {
  if (venues.length < 2) return venues.length ? [h("div", { class: "setting" }, h("span", {}, "Venue"), h("b", {}, venues[0]))] : [];
  const chosen = store.state.venues.length ? store.state.venues : venues;
  const boxes = venues.map((venue) => h("input", { type: "checkbox", name: venue, checked: chosen.includes(venue), onchange: () => choice() }));
  const choice = () => {
    const wanted = venues.filter((_, i) => boxes[i].checked);
    store.set({ venues: wanted.length === venues.length || !wanted.length ? [] : wanted });
  };
  return [h("div", { class: "setting" }, h("span", {}, "Venues"), h("div", { class: "boxes" }, ...venues.map((venue, i) => h("label", {}, boxes[i], venue))))];
}
