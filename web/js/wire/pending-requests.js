// @ts-check
/**
 * Subscriptions the server has not answered: sent in lists it takes, and found again by their id.
 * @module
 */

/** A message names at most so many symbols (docs/websocket_api.md, "What a client may say"). */
const MAX_SYMBOLS = 10;

/**
 * @param {string[]} symbols
 * @returns {string[][]} the symbols in lists that a message may hold
 */
export function listsOf(symbols) {
  const lists = [];
  for (let at = 0; at < symbols.length; at += MAX_SYMBOLS) lists.push(symbols.slice(at, at + MAX_SYMBOLS));
  return lists;
}

const MOST_AT_ONCE = 10;

/**
 * At most ten resyncs at once, then one a second: a server whose every response calls for another must not be
 * asked as fast as it responds.
 */
export class ResyncPace {
  /** Each resync takes a second of it. */
  #spentUntilMs = -Infinity;

  /**
   * @param {number} nowMs
   * @returns {number} ms until the next one may be sent; 0: it may be now, and counts as sent
   */
  waitMs(nowMs) {
    const spentUntilMs = Math.max(this.#spentUntilMs, nowMs);
    const waitMs = spentUntilMs - nowMs - (MOST_AT_ONCE - 1) * 1000;
    if (waitMs <= 0) this.#spentUntilMs = spentUntilMs + 1000;
    return Math.max(0, waitMs);
  }
}

export class PendingRequests {
  /** Symbols by id, of one connection. @type {Map<unknown, string[]>} */
  #symbols = new Map();
  #nextId = 1;

  /**
   * @param {string[]} symbols
   * @returns {number} the id to send a new request with
   */
  add(symbols) {
    this.#symbols.set(this.#nextId, symbols);
    return this.#nextId++;
  }

  /** @param {number | string | undefined} id of a response */
  answer(id) {
    this.#symbols.delete(id);
  }

  /** Forgets all of them. @returns {string[][]} the symbols of each */
  clear() {
    const pending = [...this.#symbols.values()];
    this.#symbols.clear();
    return pending;
  }
}
