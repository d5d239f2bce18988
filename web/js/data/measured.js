// @ts-check
/**
 * The layer of measured positions: its coverage and ages, and the largest positions, as the server has them.
 * @module
 */

import { fetchPositions } from "./rest-client.js";

/** @typedef {import("./rest-client.js").MeasuredFacts} MeasuredFacts */
/** @typedef {import("./rest-client.js").MeasuredPosition} MeasuredPosition */

export const MEASURED = "hyperliquid-measured";
export const MEASURED_NAME = "Hyperliquid (measured)";
const KEPT_MS = 10_000;
const LARGEST = 5;

/** @param {{chosen: string[]}} market whether it shows the layer, which is never shown with others */
export function isMeasured({ chosen }) {
  return chosen.length === 1 && chosen[0] === MEASURED;
}

/**
 * The largest positions whose level is within half a step of a price.
 * @param {MeasuredPosition[]} positions the largest first
 * @param {number} price USD
 * @param {number} step USD
 * @returns {MeasuredPosition[]} at most five
 */
export function largestAt(positions, price, step) {
  return positions.filter(({ level }) => Math.abs(level - price) <= step / 2).slice(0, LARGEST);
}

/** What the server answers of each market, asked for anew when it is ten seconds old. */
export class MeasuredPositions {
  /** @type {Map<string, {facts: MeasuredFacts | null, askedAt: number}>} */
  #kept = new Map();
  #request;
  #now;

  /**
   * @param {(symbol: string) => Promise<MeasuredFacts>} request
   * @param {() => number} now ms
   */
  constructor(request = fetchPositions, now = () => performance.now()) {
    this.#request = request;
    this.#now = now;
  }

  /**
   * @param {string} symbol
   * @param {() => void} onChange called when something newer has come
   * @returns {MeasuredFacts | null} what is known now; null before the first answer
   */
  of(symbol, onChange) {
    const kept = this.#kept.get(symbol) ?? { facts: null, askedAt: -Infinity };
    if (this.#now() - kept.askedAt > KEPT_MS) {
      this.#kept.set(symbol, { ...kept, askedAt: this.#now() });
      void this.#ask(symbol, onChange);
    }
    return kept.facts;
  }

  /**
   * @param {string} symbol
   * @param {() => void} onChange
   */
  async #ask(symbol, onChange) {
    try {
      const facts = await this.#request(symbol);
      this.#kept.set(symbol, { facts, askedAt: this.#now() });
      onChange();
    } catch {
      // What was known stays; it is asked for again in ten seconds.
    }
  }
}

export const measuredPositions = new MeasuredPositions();
