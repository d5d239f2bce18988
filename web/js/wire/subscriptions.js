// @ts-check
/**
 * What a client has subscribed to: requests sent in lists the server takes, and each message's effect.
 * liqstream/client/subscriptions.py does the same in Python; tests/client_behaviours.json holds both.
 * @module
 */

import { MarketTableState } from "./market-table.js";
import { PendingRequests, ResyncPace, listsOf } from "./pending-requests.js";
import { LONGEST_WAIT_MS } from "./reconnect.js";
import { SymbolStream } from "./symbol-stream.js";

/** A whole state that must come by itself after an ack is requested after so long. */
const WHOLE_STATE_DUE_MS = 1000;
/** The stream of the table of markets, and the id of the requests for it. */
const MARKETS = "markets";

/** @typedef {import("./messages.js").Positions} Positions */
/** @typedef {import("./messages.js").Message} Message */
/**
 * @typedef {object} Connection what the client lends
 * @property {(message: object) => void} send nothing while no socket is open
 * @property {() => boolean} isOpen
 * @property {() => number} now ms
 * @property {(name: any, payload: any) => void} emit
 * @property {(ms: number, callback: () => void) => void} after unless the connection has ended by then
 */

export class Subscriptions {
  /** @type {Map<string, SymbolStream>} */
  streams = new Map();
  /** The server's wish for the next reconnect, ms; whoever grants it resets it. */
  retryAfterMs = 0;
  /** The table of markets, while it is followed. @type {MarketTableState | null} */
  markets = null;
  #requests = new PendingRequests();
  /** Whether this connection was asked for ticks. */
  #hasTicks = false;
  /** Whether unread requests are about to be sent once more. */
  #isAskingAgain = false;
  /** Times that requests were sent once more since the last ack. */
  #unread = 0;
  #pace = new ResyncPace();
  /** Symbols whose state was lost, in that order. @type {Set<string>} */
  #toResync = new Set();
  /** Whether they wait for the pace. */
  #isResyncLate = false;
  #connection;

  /** @param {Connection} connection */
  constructor(connection) {
    this.#connection = connection;
  }

  /** The longest update interval, s; 0 without a subscription. */
  get longestIntervalS() {
    return Math.max(0, ...[...this.streams.values()].map((stream) => stream.intervalS));
  }

  /**
   * Follows symbols, now and after every reconnect. A held symbol's interval is changed.
   * @param {string[]} symbols
   * @param {number} intervalS
   * @param {boolean} ticks
   */
  add(symbols, intervalS, ticks) {
    for (const symbol of symbols) {
      const held = this.streams.get(symbol);
      if (held) [held.intervalS, held.ticks] = [intervalS, ticks];
      else this.streams.set(symbol, new SymbolStream(intervalS, ticks));
    }
    this.#sendSubscribe(symbols, intervalS);
  }

  /** @param {string[]} symbols */
  remove(symbols) {
    const held = symbols.filter((symbol) => this.streams.delete(symbol));
    for (const list of listsOf(held)) this.#connection.send({ action: "unsubscribe", symbols: list });
  }

  /** Subscribes to everything on a new connection. */
  begin() {
    this.#requests.clear();
    this.#hasTicks = this.#isAskingAgain = false;
    this.#unread = 0;
    this.#toResync.clear();
    this.#isResyncLate = false;
    /** @type {Map<number, string[]>} */
    const byInterval = new Map();
    for (const [symbol, { intervalS }] of this.streams) {
      byInterval.set(intervalS, [...(byInterval.get(intervalS) ?? []), symbol]);
    }
    for (const [intervalS, symbols] of byInterval) this.#sendSubscribe(symbols, intervalS);
    if (this.markets) this.#sendMarkets("subscribe");
  }

  /**
   * Follows the table of markets, now and after every reconnect, or no more.
   * @param {boolean} on
   */
  followMarkets(on) {
    if (on === Boolean(this.markets)) return;
    this.markets = on ? new MarketTableState() : null;
    this.#sendMarkets(on ? "subscribe" : "unsubscribe");
  }

  /** @param {"subscribe" | "unsubscribe" | "resync"} action */
  #sendMarkets(action) {
    const request = { action, stream: MARKETS, id: MARKETS };
    this.#connection.send(action === "subscribe" ? { ...request, proto: 2 } : request);
  }

  /** @param {import("./messages.js").MarketsMessage} message */
  #takeMarkets(message) {
    const { table, ask } = this.markets?.take(message) ?? { table: null, ask: false };
    if (ask) this.#sendMarkets("resync");
    if (table) this.#connection.emit("markets", table);
  }

  /** The connection has ended; states are kept, to resume from. */
  connectionLost() {
    for (const stream of this.streams.values()) stream.connectionLost();
    this.markets?.connectionLost();
  }

  /**
   * Acts on a message of the server.
   * @param {Message} message
   */
  take(message) {
    switch (message.type) {
      case "snapshot":
      case "delta":
        return this.#takeState(message);
      case "markets":
        return this.#takeMarkets(message);
      case "tick":
        return this.#takeTick(message);
      case "heartbeat":
        return this.#takePositions(message.symbols ?? {}, (stream, at) => stream.takeHeartbeat(at));
      case "pong":
        return this.#takePositions(message.positions ?? {}, (stream, at) => stream.takePong(at));
      case "subscribed":
        return this.#takeAck(message);
      case "error":
        return this.#takeError(message);
      case "warning":
        return this.#takeWarning(message);
    }
  }

  /**
   * @param {string[]} symbols
   * @param {number} intervalS
   */
  #sendSubscribe(symbols, intervalS) {
    if (!this.#connection.isOpen()) return; // sent when it opens
    for (const list of listsOf(symbols)) {
      /** @type {Record<string, object>} */
      const resume = {};
      for (const symbol of list) {
        const held = this.streams.get(symbol)?.resume;
        if (held) resume[symbol] = held;
      }
      const id = this.#requests.add(list);
      const asked = { symbols: list, update_interval: intervalS, proto: 2, delta: true, id };
      // Of the connection: what does not want them passes over them.
      const ticks = [...this.streams.values()].some((stream) => stream.ticks);
      const message = { action: "subscribe", ...asked, ...(ticks || this.#hasTicks ? { ticks } : {}) };
      this.#hasTicks = ticks;
      this.#connection.send(Object.keys(resume).length ? { ...message, resume } : message);
    }
  }

  /** @param {import("./messages.js").StateMessage} message */
  #takeState(message) {
    const stream = this.streams.get(message.symbol);
    if (!stream) return; // was on its way when we unsubscribed
    const was = stream.isConfirmed;
    const { snapshot, fault } = stream.take(message);
    if (fault) this.#resync([message.symbol], fault);
    if (snapshot) this.#connection.emit("snapshot", snapshot);
    this.#emitConfirmed(message.symbol, was, stream.isConfirmed);
  }

  /** @param {import("./messages.js").TickMessage} message */
  #takeTick(message) {
    const { symbol } = message;
    const stream = this.streams.get(symbol);
    if (!stream) return;
    const was = stream.isConfirmed;
    const { snapshot, fault } = stream.takeTick(message);
    if (fault) this.#resync([symbol], fault);
    if (snapshot && stream.ticks) this.#connection.emit("tick", snapshot);
    this.#emitConfirmed(symbol, was, stream.isConfirmed);
  }

  /**
   * @param {import("./messages.js").Positions} positions
   * @param {(stream: SymbolStream, at: import("./messages.js").StreamPosition) => string} take
   */
  #takePositions(positions, take) {
    /** @type {Map<string, string[]>} */
    const lost = new Map();
    for (const [symbol, at] of Object.entries(positions)) {
      const stream = this.streams.get(symbol);
      if (!stream) continue;
      const was = stream.isConfirmed;
      const fault = take(stream, at);
      if (fault) lost.set(fault, [...(lost.get(fault) ?? []), symbol]);
      this.#emitConfirmed(symbol, was, stream.isConfirmed);
    }
    for (const [fault, symbols] of lost) this.#resync(symbols, fault);
  }

  /**
   * @param {string} symbol
   * @param {boolean} was
   * @param {boolean} isConfirmed
   */
  #emitConfirmed(symbol, was, isConfirmed) {
    if (was !== isConfirmed) this.#connection.emit("confirmed", { symbol, isConfirmed });
  }

  /** @param {import("./messages.js").SubscribedMessage} message */
  #takeAck(message) {
    this.#unread = 0;
    this.#requests.answer(message.id);
    const positions = message.positions ?? {};
    this.#takePositions(positions, (stream, at) => stream.takeAck(at));
    const askForMissing = () => this.#takePositions(positions, (stream) => stream.askIfMissing());
    this.#connection.after(WHOLE_STATE_DUE_MS, askForMissing);
  }

  /** @param {import("./messages.js").ErrorMessage} message */
  #takeError(message) {
    if (message.code === "RATE_LIMITED") {
      this.#askAgainAfter(message.retry_after_ms ?? 0);
    } else this.#requests.answer(message.id);
    this.#connection.emit("error", { code: message.code, message: message.message ?? "" });
    if (message.code !== "INVALID_SYMBOL") return;
    // What had a state was followed when we were connected before: it has ended since.
    this.#endMarkets((message.symbols ?? []).filter((symbol) => this.streams.get(symbol)?.snapshot), message);
  }

  /**
   * Sends once more what the server did not read, because we sent too much: ever later without an ack.
   * @param {number} wishedMs the server's
   */
  #askAgainAfter(wishedMs) {
    if (this.#isAskingAgain) return; // each refusal would double what is sent
    this.#isAskingAgain = true;
    const leastMs = this.#unread ? 1000 * 2 ** Math.min(this.#unread - 1, 10) : 0;
    this.#connection.after(Math.min(Math.max(wishedMs, leastMs), LONGEST_WAIT_MS), () => this.#askAgain());
  }

  #askAgain() {
    this.#isAskingAgain = false;
    this.#unread += 1;
    for (const symbols of this.#requests.clear()) {
      const stream = this.streams.get(symbols[0]);
      const held = symbols.filter((symbol) => this.streams.has(symbol));
      if (stream) this.#sendSubscribe(held, stream.intervalS);
    }
    if (this.markets && !this.markets.table) this.#sendMarkets("subscribe");
  }

  /** @param {import("./messages.js").WarningMessage} message */
  #takeWarning(message) {
    for (const [symbol, count] of Object.entries(message.dropped_by_symbol ?? {})) {
      this.streams.get(symbol)?.takeDropped(count);
    }
    this.retryAfterMs = message.retry_after_ms ?? 0;
    const dropped = message.dropped_messages ?? 0;
    this.#connection.emit("warning", { code: message.code, message: message.message ?? "", dropped });
    if (message.code === "MARKET_ENDED") this.#endMarkets(message.symbols ?? [], message);
  }

  /**
   * Goes on without symbols that the server follows no more.
   * @param {string[]} symbols
   * @param {{ message?: string }} message
   */
  #endMarkets(symbols, { message = "" }) {
    const held = symbols.filter((symbol) => this.streams.delete(symbol));
    if (held.length) this.#connection.emit("ended", { symbols: held, message });
  }

  #sendResync() {
    while (this.#toResync.size && !this.#isResyncLate) {
      const waitMs = this.#pace.waitMs(this.#connection.now());
      if (waitMs) {
        this.#isResyncLate = true;
        this.#connection.after(waitMs, () => {
          this.#isResyncLate = false;
          this.#sendResync();
        });
        return;
      }
      const [symbols] = listsOf([...this.#toResync]);
      for (const symbol of symbols) this.#toResync.delete(symbol);
      this.#connection.send({ action: "resync", symbols });
    }
  }

  /**
   * @param {string[]} symbols
   * @param {string} why
   */
  #resync(symbols, why) {
    for (const symbol of symbols) this.#toResync.add(symbol);
    this.#sendResync();
    for (const symbol of symbols) this.#connection.emit("resync", { symbol, why });
  }
}
