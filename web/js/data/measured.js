// @ts-check
/**
 * The layer of measured positions: its coverage and ages, and the largest positions, as the server has them.
 * @module
 */

import { fetchPositions, MOST_POSITIONS } from "./rest-client.js";

/** @typedef {import("./rest-client.js").MeasuredFacts} MeasuredFacts */
/** @typedef {import("./rest-client.js").MeasuredPosition} MeasuredPosition */

export const MEASURED = "hyperliquid-measured";
export const MEASURED_NAME = "Hyperliquid (measured)";
const KEPT_MS = 10_000;
const LARGEST = 5;
const MOST_BANDS = 50;

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

/** @typedef {{low?: number, high?: number, limit?: number}} Band of levels, USD; none is all of them */

/** What the server answers of each market and band, asked for anew when it is ten seconds old. */
export class MeasuredPositions {
  /** @type {Map<string, {facts: MeasuredFacts | null, askedAt: number}>} */
  #kept = new Map();
  /** @type {Map<string, {facts: MeasuredFacts | null, askedAt: number}>} */
  #bands = new Map();
  #asksBand = false;
  #request;
  #now;

  /**
   * @param {(symbol: string, band?: Band) => Promise<MeasuredFacts>} request
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
    if (this.#now() - kept.askedAt > KEPT_MS) void this.#ask(this.#kept, symbol, symbol, {}, onChange);
    return kept.facts;
  }

  /**
   * The largest of a band. Where the market's largest, which one answer holds, have fewer than five in it,
   * the band is asked for by itself, one at a time.
   * @param {string} symbol
   * @param {number} price in the middle of the band, USD
   * @param {number} step its height, USD
   * @param {() => void} onChange called when something newer has come
   * @returns {MeasuredPosition[]} at most five
   */
  largest(symbol, price, step, onChange) {
    const facts = this.of(symbol, onChange);
    const found = largestAt(facts?.data ?? [], price, step);
    if (!facts || facts.data.length < MOST_POSITIONS || found.length === LARGEST) return found;
    const band = { low: price - step / 2, high: price + step / 2, limit: LARGEST };
    const key = `${symbol} ${band.low} ${band.high}`;
    const kept = this.#bands.get(key) ?? { facts: null, askedAt: -Infinity };
    if (!this.#asksBand && this.#now() - kept.askedAt > KEPT_MS) {
      this.#asksBand = true;
      void this.#ask(this.#bands, key, symbol, band, onChange);
    }
    return kept.facts?.data ?? found;
  }

  /**
   * @param {Map<string, {facts: MeasuredFacts | null, askedAt: number}>} kept where the answer goes
   * @param {string} key
   * @param {string} symbol
   * @param {Band} band
   * @param {() => void} onChange
   */
  async #ask(kept, key, symbol, band, onChange) {
    kept.set(key, { facts: kept.get(key)?.facts ?? null, askedAt: this.#now() });
    if (this.#bands.size > MOST_BANDS) this.#bands.delete([...this.#bands.keys()][0]);
    try {
      const facts = await this.#request(symbol, band);
      kept.set(key, { facts, askedAt: this.#now() });
    } catch {
      return; // What was known stays; it is asked for again in ten seconds.
    } finally {
      if (kept === this.#bands) this.#asksBand = false;
    }
    onChange();
  }
}

export const measuredPositions = new MeasuredPositions();
