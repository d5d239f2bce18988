// @ts-check
/**
 * The events of a client, and its listeners to them.
 * @module
 */

/** @typedef {import("./symbol-stream.js").Snapshot} Snapshot the newest state of a symbol */
/**
 * @typedef {"idle" | "connecting" | "open" | "waiting" | "refused"} State
 * idle: not asked to connect; waiting: will try again by itself; refused: the server ruled out another try.
 */
/** @typedef {{ state: State, attempt: number, retryInMs: number, code: number, reason: string }} Status */
/**
 * @typedef {object} Events
 * @property {Status} status
 * @property {Snapshot} snapshot
 * @property {import("./market-table.js").MarketTable} markets the table of markets after each change
 * @property {Snapshot} tick the newest snapshot as of a tick
 * @property {{ code: string, message: string }} error what the server refused
 * @property {{ code: string, message: string, dropped: number }} warning SLOW_CONSUMER, CONNECTION_UNSTABLE,
 * SERVER_SHUTDOWN, NO_DATA_YET, STREAM_FAILED, MARKET_ENDED
 * @property {{ symbols: string[], message: string }} ended subscribed symbols that the server follows no more
 * @property {{ symbol: string, why: string }} resync
 * @property {{ symbols: string[], intervalS: number }} subscribed
 * @property {{ symbol: string, isConfirmed: boolean }} confirmed the server has stated where it stands with a
 * symbol: in the epoch of the state shown, or not
 * @property {number} latency round trip of a ping, ms
 * @property {string} message every message as it came, before it is acted on
 */

export class Listeners {
  /** @type {Map<keyof Events, Set<(payload: any) => void>>} */
  #listeners = new Map();

  /**
   * Calls `listener` with every event of that name.
   * @template {keyof Events} Name
   * @param {Name} name
   * @param {(payload: Events[Name]) => void} listener
   * @returns {() => void} ends it
   */
  on(name, listener) {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners.add(listener));
    return () => listeners.delete(listener);
  }

  /**
   * Calls the listeners of an event; one that throws stops neither the others nor the caller.
   * @template {keyof Events} Name
   * @param {Name} name
   * @param {Events[Name]} payload
   */
  emit(name, payload) {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) {
      try {
        listener(payload);
      } catch (error) {
        console.error(error);
      }
    }
  }
}
