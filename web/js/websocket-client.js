// @ts-check
/**
 * A client of liqstream's WebSocket that keeps itself connected and its state provably right.
 *
 * It uses protocol 2 (columns, deltas, checksums; docs/websocket_api.md), reconnects with full jitter,
 * subscribes again and resumes, and judges liveness by the age of the last message: an unplugged network
 * gives no close event. It knows no DOM: it runs on any page and in Node (pass `WebSocket` from `ws` where
 * the runtime has none).
 *
 *     const client = new LiqstreamClient("ws://127.0.0.1:8000/ws/heatmap");
 *     client.on("snapshot", (s) => console.log(s.symbol, s.currentPrice, s.levels.long));
 *     client.subscribe(["BTCUSDT"], { intervalS: 1 });
 *     client.connect();
 * @module
 */

import { Listeners } from "./wire/client-events.js";
import { decode } from "./wire/messages.js";
import { LONGEST_WAIT_MS, mayReconnect, retryInMs } from "./wire/reconnect.js";
import { Subscriptions } from "./wire/subscriptions.js";
import { symbolOf, symbolsOf } from "./wire/symbol-names.js";
import { SymbolStream } from "./wire/symbol-stream.js";

/** @typedef {import("./wire/symbol-stream.js").Account} Account */
/** @typedef {import("./wire/symbol-stream.js").Snapshot} Snapshot the newest state of a symbol */
/** @typedef {import("./wire/client-events.js").Events} Events */
/** @typedef {import("./wire/client-events.js").Status} Status */
/**
 * @typedef {object} Socket the part of a WebSocket that is used
 * @property {number} readyState
 * @property {(text: string) => void} send
 * @property {(code?: number) => void} close
 * @property {((event: any) => void) | null} onopen
 * @property {((event: any) => void) | null} onmessage
 * @property {((event: any) => void) | null} onclose
 * @property {((event: any) => void) | null} onerror
 */
const OPEN = 1;
/** The server sends something at least every max(interval, 5 s); three of those in silence are an outage. */
const HEARTBEAT_S = 5;
const SILENT_HEARTBEATS = 3;
const WATCH_EVERY_MS = 500;
const [PING_AGAIN_MS, PING_EVERY_MS] = [5000, 15_000];

export class LiqstreamClient {
  #url;
  #token;
  #WebSocket;
  #random;
  #now;
  /** @type {Socket | null} */
  #socket = null;
  #subscriptions;
  #listeners = new Listeners();
  /** @type {Status} */
  #status = { state: "idle", attempt: 0, retryInMs: 0, code: 0, reason: "" };
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #retry;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #watch;
  #lastMessageAt = -Infinity;
  #pingSentAt = -Infinity;
  /** When the oldest ping without a message since was sent; null: none is. @type {number | null} */
  #askedAt = null;
  /** Timers of this connection's own. @type {Set<ReturnType<typeof setTimeout>>} */
  #timers = new Set();
  #hasWorked = false;
  /** Messages that were no message of protocol 2, or damaged; each was passed over. */
  notUnderstood = 0;

  /**
   * @param {string} url ws:// or wss:// address of /ws/heatmap
   * @param {object} [options]
   * @param {string} [options.token] of a private server; it is the first message of every connection
   * @param {new (url: string) => Socket} [options.WebSocket]
   * @param {() => number} [options.random] 0..1
   * @param {() => number} [options.now] ms
   */
  constructor(url, options = {}) {
    this.#url = url;
    this.#token = options.token ?? "";
    this.#WebSocket = options.WebSocket ?? globalThis.WebSocket;
    this.#random = options.random ?? Math.random;
    this.#now = options.now ?? (() => performance.now());
    this.#subscriptions = new Subscriptions({
      send: (message) => this.#send(message),
      isOpen: () => this.#socket?.readyState === OPEN,
      now: () => this.#now(),
      emit: (name, payload) => this.#listeners.emit(/** @type {keyof Events} */ (name), payload),
      after: (ms, callback) => this.#after(ms, callback),
    });
    if (!this.#WebSocket) throw new Error("no WebSocket here; pass one as options.WebSocket");
  }

  /**
   * Calls `listener` with every event of that name.
   * @template {keyof Events} Name
   * @param {Name} name
   * @param {(payload: Events[Name]) => void} listener
   * @returns {() => void} ends it
   */
  on(name, listener) {
    return this.#listeners.on(name, listener);
  }

  get status() {
    return this.#status;
  }

  /** Milliseconds since the last message of the server; Infinity before the first one. */
  get silenceMs() {
    return this.#now() - this.#lastMessageAt;
  }

  /**
   * Milliseconds since the server was asked for a sign of life that has not come; 0: nothing is unanswered.
   */
  get unansweredMs() {
    return this.#askedAt === null ? 0 : this.#now() - this.#askedAt;
  }

  /** Asks the server for a sign of life, now: any message answers. */
  ask() {
    if (this.#socket?.readyState !== OPEN) return;
    this.#pingSentAt = this.#now();
    this.#askedAt ??= this.#pingSentAt;
    this.#send({ action: "ping" });
  }

  /**
   * Whether the server of this connection is known to stand in the epoch of the symbol's state: by a state, a
   * heartbeat, an ack or a pong. Until then what is shown may be another server's.
   * @param {string} symbol
   * @returns {boolean}
   */
  isConfirmed(symbol) {
    return this.#subscriptions.streams.get(symbolOf(symbol))?.isConfirmed ?? false;
  }

  /** @returns {string[]} */
  get symbols() {
    return [...this.#subscriptions.streams.keys()];
  }

  /**
   * @param {string} symbol
   * @returns {Snapshot | null}
   */
  snapshot(symbol) {
    return this.#subscriptions.streams.get(symbolOf(symbol))?.snapshot ?? null;
  }

  /**
   * What arrived of a subscription and what did not; all 0 for a symbol that is not subscribed.
   * @param {string} symbol
   * @returns {Account}
   */
  account(symbol) {
    return { ...(this.#subscriptions.streams.get(symbolOf(symbol)) ?? new SymbolStream(0)).account };
  }

  /** Connects and stays connected until `close()` or until the server rules out another try. */
  connect() {
    if (this.#status.state === "idle" || this.#status.state === "refused") this.#open();
  }

  /** Tries again now instead of after the wait. */
  hurry() {
    if (this.#status.state === "waiting") this.#open();
  }

  /** Opens another socket at once, whatever the one there is may still do. */
  reopen() {
    if (this.#status.state === "idle" || this.#status.state === "refused") return;
    this.#drop();
    this.#open();
  }

  /** Leaves; subscriptions are kept for the next `connect()`. */
  close() {
    this.#drop(1000);
    this.#setStatus({ state: "idle", attempt: 0, retryInMs: 0, code: 1000, reason: "" });
  }

  /**
   * Asks for symbols, in any usual form ("BTC/USDT:USDT" is "BTCUSDT"), now and after every reconnect; a
   * held one's interval is changed. With `ticks` the newest snapshot comes again as "tick" as the price
   * moves, without levels that were passed whole since.
   * @param {string[]} symbols
   * @param {{ intervalS?: number, ticks?: boolean }} [options]
   */
  subscribe(symbols, { intervalS = 5, ticks = false } = {}) {
    this.#subscriptions.add(symbolsOf(symbols), intervalS, ticks);
  }

  /** @param {string[]} symbols */
  unsubscribe(symbols) {
    this.#subscriptions.remove(symbolsOf(symbols));
  }

  /**
   * Asks for the table of all markets (event "markets"), now and after every reconnect, or no more.
   * @param {boolean} [on]
   */
  subscribeMarkets(on = true) {
    this.#subscriptions.followMarkets(on);
  }

  /** The newest table of markets. @returns {import("./wire/market-table.js").MarketTable | null} */
  get markets() {
    return this.#subscriptions.markets?.table ?? null;
  }

  #open() {
    clearTimeout(this.#retry);
    const attempt = this.#status.attempt + 1;
    this.#setStatus({ state: "connecting", attempt, retryInMs: 0, code: 0, reason: "" });
    /** @type {Socket} */
    let socket;
    try {
      socket = new this.#WebSocket(this.#url);
    } catch (error) {
      if (this.#hasWorked) return this.#wait(0, String(error));
      return this.#setStatus({ state: "refused", attempt, retryInMs: 0, code: 0, reason: String(error) });
    }
    this.#socket = socket;
    this.#lastMessageAt = this.#now(); // a handshake that never ends is silence too
    socket.onopen = () => this.#opened();
    socket.onmessage = (event) => this.#receive(event.data);
    socket.onclose = (event) => this.#lost(event.code, event.reason);
    socket.onerror = () => {}; // always followed by close, which carries the code
    clearInterval(this.#watch);
    this.#watch = setInterval(() => this.#checkSilence(), WATCH_EVERY_MS);
  }

  #opened() {
    this.#hasWorked = true;
    this.#setStatus({ ...this.#status, state: "open" });
    if (this.#token) this.#send({ action: "auth", token: this.#token });
    this.#subscriptions.begin();
    this.ask();
  }

  /**
   * @param {number} code
   * @param {string} reason
   */
  #lost(code, reason) {
    this.#drop();
    const attempt = this.#status.attempt;
    if (mayReconnect(code)) this.#wait(code, reason);
    else this.#setStatus({ state: "refused", attempt, retryInMs: 0, code, reason });
  }

  /**
   * @param {number} code
   * @param {string} reason
   */
  #wait(code, reason) {
    const { attempt } = this.#status;
    const wished = Math.min(this.#subscriptions.retryAfterMs, LONGEST_WAIT_MS);
    const delayMs = Math.max(wished, retryInMs(attempt, this.#random));
    this.#subscriptions.retryAfterMs = 0;
    this.#retry = setTimeout(() => this.#open(), delayMs);
    this.#setStatus({ state: "waiting", attempt, retryInMs: delayMs, code, reason });
  }

  /** @param {number} [code] */
  #drop(code) {
    clearTimeout(this.#retry);
    clearInterval(this.#watch);
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    this.#askedAt = null;
    const socket = this.#socket;
    this.#socket = null;
    if (!socket) return;
    this.#subscriptions.connectionLost();
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.onerror = () => {};
    socket.close(code);
  }

  /**
   * @param {number} ms
   * @param {() => void} callback unless this connection has ended by then
   */
  #after(ms, callback) {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      callback();
    }, ms);
    this.#timers.add(timer);
  }

  #checkSilence() {
    if (!this.#socket) return;
    const longest = Math.max(HEARTBEAT_S, this.#subscriptions.longestIntervalS);
    const silence = this.silenceMs;
    if (silence > SILENT_HEARTBEATS * longest * 1000) return this.#lost(1006, "silence");
    const sinceAsked = this.#now() - this.#pingSentAt;
    const isDue = silence > longest * 1000 + 1000 && sinceAsked >= PING_AGAIN_MS;
    if (isDue || sinceAsked > PING_EVERY_MS) this.ask();
  }

  /** @param {object} message */
  #send(message) {
    if (this.#socket?.readyState === OPEN) this.#socket.send(JSON.stringify(message));
  }

  /** @param {unknown} text */
  #receive(text) {
    this.#lastMessageAt = this.#now();
    const wasAsked = this.#askedAt !== null;
    this.#askedAt = null;
    this.#listeners.emit("message", String(text));
    const message = decode(text);
    if (message === "old") return this.#refuse("the server speaks only protocol 1, this client needs 2");
    if (message === null) this.notUnderstood += 1;
    else this.#take(message, wasAsked);
  }

  /**
   * @param {import("./wire/messages.js").Message} message
   * @param {boolean} wasAsked
   */
  #take(message, wasAsked) {
    // A message that shows more than an open socket proves the connection: the next failure starts afresh.
    const isProof = !["pong", "error", "warning"].includes(message.type);
    if (isProof && this.#status.attempt) this.#setStatus({ ...this.#status, attempt: 0 });
    if (message.type === "pong" && wasAsked) this.#listeners.emit("latency", this.#now() - this.#pingSentAt);
    this.#subscriptions.take(message);
    if (message.type === "subscribed" && message.symbols) {
      const intervalS = message.update_interval ?? 0;
      this.#listeners.emit("subscribed", { symbols: message.symbols, intervalS });
    }
  }

  /** @param {string} reason */
  #refuse(reason) {
    this.#drop(1000);
    this.#setStatus({ state: "refused", attempt: this.#status.attempt, retryInMs: 0, code: 0, reason });
  }

  /** @param {Status} status */
  #setStatus(status) {
    this.#status = status;
    this.#listeners.emit("status", status);
  }
}
