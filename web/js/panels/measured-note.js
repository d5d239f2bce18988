// @ts-check
/**
 * The words about the layer of measured positions: coverage and age beside the title, the largest of a band
 * under the crosshair, and its box among the exchanges.
 * @module
 */

import { duration, price as priceText, usd } from "../data/format.js";
import { isMeasured, MEASURED, MEASURED_NAME, measuredPositions } from "../data/measured.js";
import { fetchReady } from "../data/rest-client.js";
import { h, put } from "./dom.js";

/** @typedef {import("../data/market.js").Market} Market */
/** @typedef {import("../data/measured.js").MeasuredFacts} MeasuredFacts */
/** @typedef {import("../data/measured.js").MeasuredPosition} MeasuredPosition */
/** @typedef {import("../state/view-state.js").ViewStore} ViewStore */

/**
 * @param {MeasuredFacts | null} facts
 * @returns {string} coverage and age in words
 */
export function noteText(facts) {
  if (!facts) return "Measured positions";
  const source = facts.source === "simulated" ? "Measured, simulated" : "Measured";
  const found = facts.liquidations ? `. ${capital(facts.liquidations.sentence)}` : "";
  return `${source}: ${facts.sentence ?? "nothing known yet"}${found}`;
}

/** @param {string} text */
function capital(text) {
  return text[0].toUpperCase() + text.slice(1);
}

/**
 * @param {MeasuredPosition} position
 * @returns {string} one position in words
 */
export function positionText(position) {
  const entry = position.entry === null ? "" : `, entry ${priceText(position.entry)}`;
  const moves = position.moves_with_others ? ", moves with its other positions" : "";
  const level = `level ${priceText(position.level)}`;
  return `${level}${entry}, ${position.margin}${moves}, ${duration(position.age_ms)} old`;
}

/** An overlay of a map: nothing while the map shows anything else. */
export class MeasuredNote {
  #slot;
  #element = h("div", { class: "measured-note", hidden: true });

  /** @param {import("./map-slot.js").MapSlot} slot */
  constructor(slot) {
    this.#slot = slot;
    slot.chartElement.append(this.#element);
  }

  draw() {
    const { market } = this.#slot.view;
    this.#element.hidden = !market || !isMeasured(market);
    // What is measured is no estimate, and must not be labelled one.
    this.#slot.chartElement.closest(".map")?.classList.toggle("measured", !this.#element.hidden);
    if (!market || this.#element.hidden) return;
    put(this.#element, noteText(measuredPositions.of(market.symbol, () => this.draw())));
  }

  destroy() {
    this.#element.remove();
  }
}

/**
 * The largest positions of a band, for the tooltip.
 * @param {Market | null} market
 * @param {number} price of the band, USD
 * @param {number} step of the grid, USD
 * @param {() => void} onChange called when others have come
 * @returns {HTMLElement[]}
 */
export function largestRows(market, price, step, onChange) {
  if (!market || !isMeasured(market)) return [];
  return measuredPositions.largest(market.symbol, price, step, onChange).map((position) =>
    h(
      "div",
      { class: "row", title: positionText(position) },
      h("span", {}, `${position.address} ${position.side}`),
      h("b", {}, usd(position.usd), h("small", {}, ` ${positionText(position)}`)),
    ),
  );
}

/**
 * The layer's box, which shows once the server states that it measures; it is shown alone or not at all.
 * @param {ViewStore} store
 * @returns {HTMLElement}
 */
export function measuredBox(store) {
  const box = h("input", {
    type: "checkbox",
    name: MEASURED,
    checked: store.state.venues.includes(MEASURED),
    onchange: () => store.set({ venues: box.checked ? [MEASURED] : [] }),
  });
  const label = h("label", { class: "setting", hidden: true }, h("span", {}, MEASURED_NAME), box);
  fetchReady().then(
    ({ positions }) => (label.hidden = !positions),
    () => {}, // the server is out of reach, which the indicator shows
  );
  return label;
}
