// @ts-check
/**
 * What stands around the map (open interest, funding, volume), asked for again while it is looked at.
 * @module
 */

import { fetchContext } from "./rest-client.js";

/** @typedef {import("./rest-client.js").MarketContext} MarketContext */
/**
 * @typedef {object} Wanted
 * @property {string} symbol
 * @property {string} window
 * @property {string} interval empty: the server's own for the window
 * @property {string[]} exchanges empty: all
 */

const EVERY_MS = 15_000;
const AGAIN_MS = 5_000;

export class ContextPoll {
  /** The newest answer, of what is wanted; null: none yet. @type {MarketContext | null} */
  context = null;
  /** Whether the last request failed. */
  failed = false;
  /** performance.now() when the answer came. */
  receivedAt = 0;
  #wanted = "";
  /** @type {AbortController | null} */
  #asking = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #isHeld = true;
  #onChange;

  /** @param {() => void} onChange called when an answer came or failed, or another market is wanted */
  constructor(onChange) {
    this.#onChange = onChange;
  }

  /** Nothing is asked for before this: being live goes first. */
  start() {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    this.#ask();
  }

  /** @param {Wanted} wanted from now on */
  follow(wanted) {
    const text = JSON.stringify(wanted);
    if (text === this.#wanted) return;
    const { symbol, exchanges } = this.#wanted ? /** @type {Wanted} */ (JSON.parse(this.#wanted)) : wanted;
    // The figures of now are those of every window; of another market they are none.
    if (symbol !== wanted.symbol || exchanges.join() !== wanted.exchanges.join()) this.context = null;
    this.failed = false;
    this.#wanted = text;
    this.#onChange();
    this.#ask();
  }

  /** Asks anew now: a payment was due, or the page is looked at again. */
  refresh() {
    this.#ask();
  }

  /** UTC ms of the market's data now, as far as is known: that of the answer, and the time since. */
  get nowMs() {
    return (this.context?.timestamp ?? 0) + performance.now() - this.receivedAt;
  }

  async #ask() {
    clearTimeout(this.#timer);
    if (this.#isHeld || !this.#wanted || document.hidden) return;
    this.#asking?.abort();
    const asking = new AbortController();
    this.#asking = asking;
    const { symbol, window, interval, exchanges } = /** @type {Wanted} */ (JSON.parse(this.#wanted));
    try {
      const context = await fetchContext(symbol, window, interval, exchanges, asking.signal);
      if (asking.signal.aborted) return;
      [this.context, this.receivedAt, this.failed] = [context, performance.now(), false];
    } catch {
      if (asking.signal.aborted) return;
      this.failed = true;
    }
    this.#timer = setTimeout(() => void this.#ask(), this.failed ? AGAIN_MS : EVERY_MS);
    this.#onChange();
  }
}
