// @ts-check
/**
 * What every map says of itself, on the page, in a frame and in a picture: it is an estimate, and of what.
 * @module
 */

import { h } from "./dom.js";

export const ESTIMATE = "Estimate";
export const ESTIMATE_TEXT =
  "Estimated from price and open interest, not from orders. A USD figure is what we expect to be " +
  "liquidated if the price trades through the level, not the size of open positions. A rise in open " +
  "interest in a quiet market adds almost nothing.";

/** The word on a map, which opens to the sentence. @returns {HTMLDetailsElement} */
export function estimateNote() {
  return h(
    "details",
    { class: "estimate" },
    h("summary", { title: ESTIMATE_TEXT }, h("span", {}, ESTIMATE)),
    h("p", {}, ESTIMATE_TEXT),
  );
}
