// @ts-check
/**
 * The line above the map: market, price, change over the window, and the candle under the crosshair.
 * @module
 */

import { price as priceText, signedPercent, venuesText } from "../data/format.js";
import { h, put } from "./dom.js";

/** @param {HTMLElement} element @param {import("../data/market.js").Market} market @param {string} interval @param {number | null} column under the crosshair */
export function showReadout(element, market, interval, column) {
  const { matrix, now } = market;
  const newest = matrix?.candle(matrix.end - 1);
  const price = now?.price ?? newest?.close;
  if (!matrix || price === undefined) return put(element, h("b", {}, market.symbol));
  let first = matrix.first;
  while (first < matrix.end && !matrix.candle(first)) first++;
  const change = price / (matrix.candle(first)?.open ?? price) - 1;
  const candle = column === null ? newest : matrix.candle(column);
  const part = (/** @type {string} */ name, /** @type {number} */ value) => h("span", { class: "part" }, `${name} `, h("b", {}, priceText(value)));
  put(
    element,
    h("b", {}, market.symbol),
    market.chosen.length > 0 && h("span", { class: "venues", title: `All that is shown is of ${market.chosen.join(", ")} alone` }, venuesText(market.chosen)),
    h("span", {}, interval),
    h("b", { class: "price" }, priceText(price)),
    h("span", { class: change < 0 ? "down" : "up", title: "over the window" }, signedPercent(change)),
    candle && part("O", candle.open),
    candle && part("H", candle.high),
    candle && part("L", candle.low),
    candle && part("C", candle.close),
  );
}
