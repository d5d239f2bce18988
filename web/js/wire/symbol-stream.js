// @ts-check
/**
 * One symbol's stream, from messages to states: deltas applied, proved by checksum, every gap counted.
 * liqstream/client/stream.py does the same in Python; tests/client_behaviours.json holds both to one table.
 * @module
 */

import { Levels } from "./levels.js";

/**
 * @typedef {object} Snapshot the newest state of a symbol
 * @property {string} symbol
 * @property {number} timeMs the data's time, UTC
 * @property {number} epoch
 * @property {number} seq
 * @property {boolean} stale
 * @property {string} source live, replay or simulated
 * @property {string[]} quality
 * @property {string} kernel
 * @property {Levels} levels
 * @property {number} currentPrice
 * @property {number} created
 * @property {number} consumed
 * @property {boolean} full whether it came whole, not as a delta
 */
/** @typedef {{ received: number, skipped: number, dropped: number, missed: number }} Account */

/** Deltas that could not be used before a resync that had no answer is asked for again. */
const ASK_AGAIN_AFTER_DELTAS = 10;

export class SymbolStream {
  /** The state the next delta builds on. @type {Snapshot | null} */
  snapshot = null;
  /** The last one handed on. @type {{ epoch: number, seq: number } | null} */
  #shown = null;
  /** Deltas lost since a resync was wanted; null: none is. @type {number | null} */
  #lost = null;
  /** @type {Account} */
  account = { received: 0, skipped: 0, dropped: 0, missed: 0 };

  /** @param {number} intervalS */
  constructor(intervalS) {
    this.intervalS = intervalS;
  }

  /** Where to resume from. @returns {{ epoch: number, seq: number } | null} */
  get resume() {
    return this.snapshot && { epoch: this.snapshot.epoch, seq: this.snapshot.seq };
  }

  /** What follows is answered whole, or resumed. */
  connectionLost() {
    this.#lost = null;
  }

  /**
   * @param {any} message snapshot or delta
   * @returns {{ news: Snapshot | null, ask: string }} the state after it, if it is news; why a whole one must be asked for, if it must
   */
  take(message) {
    if (message.type === "snapshot" && !message.data.long) return { news: null, ask: "" }; // told as objects: not ours
    this.#count(message);
    const { levels, fault } = message.type === "snapshot" ? { levels: new Levels(message.data), fault: "" } : this.#applied(message);
    if (!levels) return { news: null, ask: this.lose(fault) };
    if (levels.checksum() !== message.checksum) return { news: null, ask: this.lose("checksum") };
    this.#lost = null;
    this.snapshot = toSnapshot(message, levels, this.snapshot?.kernel ?? "");
    const { epoch, seq } = this.snapshot;
    const shown = this.#shown;
    // Twice the same, or a step back in time, is no news; it may still be what the next delta builds on.
    if (shown && (epoch < shown.epoch || (epoch === shown.epoch && seq <= shown.seq))) return { news: null, ask: "" };
    this.#shown = { epoch, seq };
    return { news: this.snapshot, ask: "" };
  }

  /** @param {{ epoch: number }} at as a heartbeat tells @returns {string} why a whole state must be asked for, if it must */
  takeHeartbeat(at) {
    // Older than announced is not a loss yet: a slower interval may still be on its way. Another epoch is.
    return this.snapshot && this.snapshot.epoch !== at.epoch ? this.lose("epoch") : "";
  }

  /** @param {string} why @returns {string} the same, if a whole state must be asked for now */
  lose(why) {
    this.snapshot = null;
    const ask = this.#lost === null || this.#lost >= ASK_AGAIN_AFTER_DELTAS;
    this.#lost = ask ? 0 : /** @type {number} */ (this.#lost) + 1;
    return ask ? why : "";
  }

  /** @param {any} delta @returns {{ levels: Levels | null, fault: string }} */
  #applied({ epoch, prev_seq: before, data }) {
    const held = this.snapshot;
    if (!held || held.epoch !== epoch || held.seq !== before) return { levels: null, fault: "gap" };
    return held.levels.apply(data.long, data.short) ? { levels: held.levels, fault: "" } : { levels: null, fault: "index" };
  }

  /** @param {any} message */
  #count(message) {
    if (message.repeat) return;
    const { account, snapshot } = this;
    const skipped = message.skipped ?? 0;
    if (snapshot && snapshot.epoch === message.epoch && account.received) {
      account.skipped += skipped;
      account.missed += message.seq - snapshot.seq - 1 - skipped;
    }
    account.received += 1;
  }
}

/** @param {any} message @param {Levels} levels @param {string} kernel the last one named @returns {Snapshot} */
function toSnapshot(message, levels, kernel) {
  return {
    symbol: message.symbol,
    timeMs: Date.parse(message.timestamp),
    epoch: message.epoch,
    seq: message.seq,
    stale: Boolean(message.stale),
    source: String(message.source),
    quality: message.quality ?? [],
    kernel: message.kernel ?? kernel,
    levels,
    currentPrice: message.data.current_price,
    created: message.data.positions_created,
    consumed: message.data.positions_consumed,
    full: message.type === "snapshot",
  };
}
