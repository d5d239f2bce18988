// @ts-check
/**
 * The line above the map: market, price, change over the window, and the candle under the crosshair. While
 * the map looks back the price is that of then, and says so.
 * @module
 */

import { duration, partText, price as priceText, signedPercent } from "../data/format.js";
import { h, put } from "./dom.js";

/**
 * @param {HTMLElement} element
 * @param {import("../data/market.js").Market} market
 * @param {string} interval
 * @param {number | null} column under the crosshair
 * @param {import("../data/format.js").Clock} clock
 */
export function showReadout(element, market, interval, column, clock) {
  const { matrix, now, at, shown } = market;
  const last = (at === null ? matrix?.end : matrix && matrix.columnAt(at) + 1) ?? 0;
  const newest = matrix?.candle(last - 1);
  const price = shown?.price ?? newest?.close;
  if (price === undefined) return put(element, h("b", {}, market.symbol));
  const first = matrix?.firstKnown ?? 0;
  const change = price / (matrix?.candle(first)?.open ?? price) - 1;
  const changeText = signedPercent(change);
  const tone = changeText === signedPercent(0) ? null : change < 0 ? "down" : "up";
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
          class: tone,
          title: `over ${duration((last - first) * matrix.intervalMs)}`,
        },
        changeText,
      ),
    // After the change, which is not one from then to now.
    ...(at !== null && shown ? thenTexts(shown.timeMs, now?.price, clock) : []),
    candle && part("O", candle.open),
    candle && part("H", candle.high),
    candle && part("L", candle.low),
    candle && part("C", candle.close),
  );
}

/**
 * @param {number} thenMs
 * @param {number | undefined} price of now
 * @param {import("../data/format.js").Clock} clock
 */
function thenTexts(thenMs, price, clock) {
  const title = `As of ${clock.format(thenMs, "full")}`;
  return [
    h("b", { class: "then", title }, `as of ${clock.format(thenMs, "stamp")}`),
    price !== undefined && h("span", {}, `now ${priceText(price)}`),
  ];
}
