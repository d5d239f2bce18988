// @ts-check
/**
 * The line above the map: market, price, change over the window, and the candle under the crosshair.
 * @module
 */

import { duration, partText, price as priceText, signedPercent } from "../data/format.js";
import { h, put } from "./dom.js";

/**
 * @param {HTMLElement} element
 * @param {import("../data/market.js").Market} market
 * @param {string} interval
 * @param {number | null} column under the crosshair
 */
export function showReadout(element, market, interval, column) {
  const { matrix, now } = market;
  const newest = matrix?.candle(matrix.end - 1);
  const price = now?.price ?? newest?.close;
  if (price === undefined) return put(element, h("b", {}, market.symbol));
  const first = matrix?.firstKnown ?? 0;
  const change = price / (matrix?.candle(first)?.open ?? price) - 1;
  const candle = column === null ? newest : matrix?.candle(column);
  const of = partText(market);
  const part = (/** @type {string} */ name, /** @type {number} */ value) =>
    h("span", { class: "part" }, `${name} `, h("b", {}, priceText(value)));
  put(
    element,
    h("b", {}, market.symbol),
    of && h("span", { class: "venues", title: `All levels are of ${of} alone` }, of),
    h("span", {}, interval),
    h("b", { class: "price" }, priceText(price)),
    matrix &&
      h(
        "span",
        {
          class: change < 0 ? "down" : "up",
          title: `over ${duration((matrix.end - first) * matrix.intervalMs)}`,
        },
        signedPercent(change),
      ),
    candle && part("O", candle.open),
    candle && part("H", candle.high),
    candle && part("L", candle.low),
    candle && part("C", candle.close),
  );
}
