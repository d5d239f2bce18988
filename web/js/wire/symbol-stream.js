// @ts-check
/**
 * One symbol's stream, from messages to states: deltas applied, verified by checksum, every gap counted.
 * liqstream/client/symbol_stream.py does the same in Python; tests/client_behaviours.json holds both to one
 * table.
 * @module
 */

import { AccountKeeper, isAfter } from "./account.js";
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
 * @property {Record<string, number>} silent exchanges with old data, and the time of the newest of it
 * @property {Levels} levels
 * @property {number} currentPrice
 * @property {number} created
 * @property {number} consumed
 * @property {boolean} full whether it came whole, not as a delta
 * @property {Tick | null} [tick] the newest one since, if time, price and levels are as of it
 */
/**
 * @typedef {object} Tick of several exchanges the least cleared one counts; USD
 * @property {number} n counts the ticks that the server made of the symbol
 * @property {number} low longs are cleared down to it since the snapshot
 * @property {number} high shorts are cleared up to it since the snapshot
 */
/** @typedef {import("./account.js").Account} Account */
/** @typedef {import("./account.js").StreamPosition} StreamPosition */
/** @typedef {import("./messages.js").SnapshotMessage} SnapshotMessage */
/** @typedef {import("./messages.js").DeltaMessage} DeltaMessage */
/** @typedef {import("./messages.js").StateMessage} StateMessage */

/** Deltas that could not be used before a resync that had no response is requested again. */
export const RESYNC_AGAIN_AFTER_DELTAS = 10;

export class SymbolStream {
  /** The state the next delta builds on. @type {Snapshot | null} */
  snapshot = null;
  /** Whether the server of this connection is known to stand in its epoch, by any message. */
  isConfirmed = false;
  /**
   * The position of the last state handed on by this connection; null before the first and after a drop: what
   * comes next is handed on then, wherever it stands.
   * @type {StreamPosition | null}
   */
  #shown = null;
  /** Deltas lost since a resync was requested; null: none is under way. @type {number | null} */
  #lost = null;
  /** The last heartbeat was ahead of us, and no state has come since. */
  #isAhead = false;
  #accounts = new AccountKeeper();

  /**
   * @param {number} intervalS
   * @param {boolean} [ticks] whether they are asked for
   */
  constructor(intervalS, ticks = false) {
    this.intervalS = intervalS;
    this.ticks = ticks;
  }

  /** @returns {Account} */
  get account() {
    return this.#accounts.account;
  }

  /** The state to resume from. @returns {{ epoch: number, seq: number, checksum: number } | null} */
  get resume() {
    const { snapshot } = this;
    return snapshot && { epoch: snapshot.epoch, seq: snapshot.seq, checksum: snapshot.levels.checksum() };
  }

  /** The next connection may be another server's: its first state counts, whatever was shown before. */
  connectionLost() {
    this.isConfirmed = this.#isAhead = false;
    this.#shown = this.#lost = null;
    this.#accounts.connectionLost();
  }

  /**
   * @param {StateMessage} message
   * @returns {{ snapshot: Snapshot | null, fault: string }} the state after it, if it is newer; why a resync
   * must be requested, if it must
   */
  take(message) {
    const at = { epoch: message.epoch, seq: message.seq };
    const nothing = { snapshot: null, fault: "" };
    if (!message.repeat && !this.#accounts.count(at, message.skipped ?? 0)) return nothing;
    this.#isAhead = false;
    const { levels, fault } = message.type === "snapshot" ? whole(message) : this.#applied(message);
    if (!levels) return { snapshot: null, fault: this.#lose(fault) };
    if (levels.checksum() !== message.checksum) return { snapshot: null, fault: this.#lose("checksum") };
    this.#lost = null;
    this.snapshot = toSnapshot(message, levels, this.snapshot?.kernel ?? "");
    this.isConfirmed = true;
    // Twice the same is not handed on; the next delta may still build on it.
    if (this.#shown && !isAfter(at, this.#shown)) return nothing;
    this.#shown = at;
    return { snapshot: this.snapshot, fault: "" };
  }

  /**
   * The newest price. It says where the server stands, as a heartbeat does, and hides levels that were passed
   * whole; it is in no account, and changes no state that deltas build on.
   * @param {import("./messages.js").TickMessage} message
   * @returns {{ snapshot: Snapshot | null, fault: string }} the state as of it, if it is of the state held;
   * why a resync must be requested, if it must
   */
  takeTick(message) {
    const fault = this.takeHeartbeat(message);
    const held = this.snapshot;
    if (held?.epoch !== message.epoch || held.seq !== message.seq) return { snapshot: null, fault };
    const { n, low, high } = message;
    const timeMs = Date.parse(message.timestamp);
    const levels = held.levels.masked(low, high);
    const tick = { n, low, high };
    return { snapshot: { ...held, timeMs, levels, currentPrice: message.current_price, tick }, fault };
  }

  /**
   * Where the server stands while nothing is sent. Another epoch, or a seq below ours, means that it is not
   * our state's server: the state is dropped. A higher seq is the update interval's business, unless it is
   * stated twice with nothing between.
   * @param {StreamPosition} at
   * @returns {string} why a resync must be requested, if it must
   */
  takeHeartbeat(at) {
    const elsewhere = this.#dropIfElsewhere(at);
    if (elsewhere !== null) return elsewhere;
    if (this.snapshot?.seq === at.seq) this.#isAhead = false;
    else if (this.#isAhead) {
      this.#isAhead = false;
      return this.#ask("ahead");
    } else this.#isAhead = true;
    return "";
  }

  /**
   * Where the server stands at this moment; being ahead of us is no fault.
   * @param {StreamPosition} at
   * @returns {string} why a resync must be requested, if it must
   */
  takePong(at) {
    return this.#dropIfElsewhere(at) ?? "";
  }

  /**
   * Where the server stands when we subscribe. If our state is of a connection before and not this server's,
   * the whole one comes by itself.
   * @param {StreamPosition} at
   * @returns {string} why a resync must be requested, if it must
   */
  takeAck(at) {
    return this.#dropIfElsewhere(at, !this.isConfirmed) ?? "";
  }

  /** A warning states how many snapshots of this symbol were dropped. @param {number} count */
  takeDropped(count) {
    this.#accounts.takeDropped(count);
  }

  /**
   * A whole state that was due has not come.
   * @returns {string} why a resync must be requested, if it must
   */
  askIfMissing() {
    return this.snapshot || this.#lost !== null ? "" : this.#ask("missing");
  }

  /**
   * @param {StreamPosition} at
   * @param {boolean} [wholeIsDue] nothing needs to be requested
   * @returns {string | null} null if the state is this server's or there is none; else as `#lose`
   */
  #dropIfElsewhere(at, wholeIsDue = false) {
    const { snapshot } = this;
    if (!snapshot) return null;
    if (snapshot.epoch === at.epoch && snapshot.seq <= at.seq) {
      this.isConfirmed = true;
      return null;
    }
    this.#isAhead = false;
    this.#accounts.beginAnew();
    if (!wholeIsDue) return this.#lose(snapshot.epoch === at.epoch ? "seq" : "epoch");
    this.#forget();
    return "";
  }

  #forget() {
    this.snapshot = this.#shown = null;
    this.isConfirmed = false;
  }

  /**
   * @param {string} fault
   * @returns {string} the same, if a resync must be requested now
   */
  #lose(fault) {
    this.#forget();
    const lost = this.#lost === null ? RESYNC_AGAIN_AFTER_DELTAS : this.#lost + 1;
    if (lost >= RESYNC_AGAIN_AFTER_DELTAS) return this.#ask(fault);
    this.#lost = lost;
    return "";
  }

  /** @param {string} fault */
  #ask(fault) {
    this.#lost = 0;
    this.account.resyncs += 1;
    return fault;
  }

  /**
   * @param {DeltaMessage} delta
   * @returns {{ levels: Levels | null, fault: string }}
   */
  #applied({ epoch, prev_seq: before, data }) {
    const held = this.snapshot;
    if (!held || held.epoch !== epoch || held.seq !== before) return { levels: null, fault: "gap" };
    // A copy: what is shown must stay as it is if the delta turns out to be damaged.
    const levels = held.levels.copy();
    return levels.apply(data.long, data.short) ? { levels, fault: "" } : { levels: null, fault: "index" };
  }
}

/**
 * @param {SnapshotMessage} message
 * @returns {{ levels: Levels | null, fault: string }}
 */
function whole({ data }) {
  if (data.long.length !== data.short.length) return { levels: null, fault: "rows" };
  return { levels: new Levels(data), fault: "" };
}

/**
 * @param {StateMessage} message
 * @param {Levels} levels
 * @param {string} kernel the last one named
 * @returns {Snapshot}
 */
function toSnapshot(message, levels, kernel) {
  return {
    symbol: message.symbol,
    timeMs: Date.parse(message.timestamp),
    epoch: message.epoch,
    seq: message.seq,
    stale: Boolean(message.stale),
    source: message.source ?? "live",
    quality: message.quality ?? [],
    kernel: message.kernel ?? kernel,
    silent: message.silent ?? {},
    levels,
    currentPrice: message.data.current_price,
    created: message.data.positions_created ?? 0,
    consumed: message.data.positions_consumed ?? 0,
    full: message.type === "snapshot",
  };
}
