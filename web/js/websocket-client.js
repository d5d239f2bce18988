// @ts-check
/**
 * A client of liqstream's WebSocket that keeps itself connected and its state provably right.
 *
 * It speaks protocol 2 (columns, deltas, checksums; docs/websocket_api.md), reconnects with full jitter,
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

import { SymbolStream } from "./wire/symbol-stream.js";

/** @typedef {import("./wire/symbol-stream.js").Snapshot} Snapshot the newest state of a symbol */
/** @typedef {import("./wire/symbol-stream.js").Account} Account */
/**
 * @typedef {"idle" | "connecting" | "open" | "waiting" | "refused"} State
 * idle: not asked to connect; waiting: will try again by itself; refused: the server said never again.
 */
/** @typedef {{ state: State, attempt: number, retryInMs: number, code: number, reason: string }} Status */
/**
 * @typedef {object} Events
 * @property {Status} status
 * @property {Snapshot} snapshot
 * @property {{ code: string, message: string }} error what the server refused
 * @property {{ code: string, message: string, dropped: number }} warning SLOW_CONSUMER, CONNECTION_UNSTABLE
 * @property {{ symbol: string, why: string }} resync
 * @property {{ symbols: string[], intervalS: number }} subscribed
 * @property {number} latency round trip of a ping, ms
 * @property {string} message every message as it came, before it is acted on
 */
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
const BACKOFF_BASE_MS = 2000;
const BACKOFF_CAP_MS = 30_000;
/** The server says something at least every max(interval, 5 s); three of those in silence are an outage. */
const HEARTBEAT_S = 5;
const SILENT_HEARTBEATS = 3;
/** Private range in which the server rules out another try (docs/websocket_api.md, close codes). */
const NEVER_AGAIN = [4500, 4999];

export class LiqstreamClient {
  #url;
  #token;
  #WebSocket;
  #random;
  #now;
  /** @type {Socket | null} */
  #socket = null;
  /** @type {Map<string, SymbolStream>} */
  #streams = new Map();
  /** @type {Map<string, Set<(payload: any) => void>>} */
  #listeners = new Map();
  /** @type {Status} */
  #status = { state: "idle", attempt: 0, retryInMs: 0, code: 0, reason: "" };
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #retry;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #watch;
  #lastMessageAt = -Infinity;
  #pingSentAt = 0;
  #nextId = 1;

  /**
   * @param {string} url ws:// or wss:// address of /ws/heatmap
   * @param {{ token?: string, WebSocket?: any, random?: () => number, now?: () => number }} [options]
   * `token` is what a private server asks for; it is the first message of every connection.
   */
  constructor(url, options = {}) {
    this.#url = url;
    this.#token = options.token ?? "";
    this.#WebSocket = options.WebSocket ?? globalThis.WebSocket;
    this.#random = options.random ?? Math.random;
    this.#now = options.now ?? (() => performance.now());
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
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners.add(listener));
    return () => listeners.delete(listener);
  }

  get status() {
    return this.#status;
  }

  /** Milliseconds since the server last said anything; Infinity before the first word. */
  get silenceMs() {
    return this.#now() - this.#lastMessageAt;
  }

  /** @returns {string[]} */
  get symbols() {
    return [...this.#streams.keys()];
  }

  /** @param {string} symbol @returns {Snapshot | null} */
  snapshot(symbol) {
    return this.#streams.get(symbol)?.snapshot ?? null;
  }

  /**
   * What arrived of a subscription and what did not: `skipped` was passed over by its interval, `dropped` by
   * backpressure, `missed` is what seq cannot explain otherwise (0 on a sound connection).
   * @param {string} symbol @returns {Account}
   */
  account(symbol) {
    return { ...(this.#streams.get(symbol) ?? new SymbolStream(0)).account };
  }

  /** Connects and stays connected until `close()` or until the server says never again. */
  connect() {
    if (this.#status.state === "idle" || this.#status.state === "refused") this.#open();
  }

  /** Tries again now instead of after the wait. */
  hurry() {
    if (this.#status.state === "waiting") this.#open();
  }

  /** Leaves; subscriptions are kept for the next `connect()`. */
  close() {
    this.#drop(1000);
    this.#setStatus({ state: "idle", attempt: 0, retryInMs: 0, code: 1000, reason: "" });
  }

  /**
   * Asks for symbols, now and after every reconnect. A held symbol's interval is changed.
   * @param {string[]} symbols @param {{ intervalS?: number }} [options]
   */
  subscribe(symbols, { intervalS = 5 } = {}) {
    for (const symbol of symbols) {
      const held = this.#streams.get(symbol);
      if (held) held.intervalS = intervalS;
      else this.#streams.set(symbol, new SymbolStream(intervalS));
    }
    if (symbols.length) this.#sendSubscribe(symbols, intervalS);
  }

  /** @param {string[]} symbols */
  unsubscribe(symbols) {
    const held = symbols.filter((symbol) => this.#streams.delete(symbol));
    if (held.length) this.#send({ action: "unsubscribe", symbols: held });
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
      this.#setStatus({ state: "refused", attempt, retryInMs: 0, code: 0, reason: String(error) });
      return;
    }
    this.#socket = socket;
    this.#lastMessageAt = this.#now(); // a handshake that never ends is silence too
    socket.onopen = () => this.#opened();
    socket.onmessage = (event) => this.#receive(event.data);
    socket.onclose = (event) => this.#lost(event.code, event.reason);
    socket.onerror = () => {}; // always followed by close, which carries the code
    clearInterval(this.#watch);
    this.#watch = setInterval(() => this.#checkSilence(), 1000);
  }

  #opened() {
    this.#setStatus({ ...this.#status, state: "open" });
    if (this.#token) this.#send({ action: "auth", token: this.#token });
    /** @type {Map<number, string[]>} */
    const byInterval = new Map();
    for (const [symbol, { intervalS }] of this.#streams) {
      byInterval.set(intervalS, [...(byInterval.get(intervalS) ?? []), symbol]);
    }
    for (const [intervalS, symbols] of byInterval) this.#sendSubscribe(symbols, intervalS);
    this.#ping();
  }

  /** @param {number} code @param {string} reason */
  #lost(code, reason) {
    this.#drop();
    const attempt = this.#status.attempt;
    if (code >= NEVER_AGAIN[0] && code <= NEVER_AGAIN[1]) {
      this.#setStatus({ state: "refused", attempt, retryInMs: 0, code, reason });
      return;
    }
    // Full jitter: a thousand clients of a restarted server must not come back in one moment.
    const ceiling = Math.min(BACKOFF_CAP_MS, BACKOFF_BASE_MS * 2 ** Math.max(0, attempt - 1));
    const retryInMs = this.#random() * ceiling;
    this.#retry = setTimeout(() => this.#open(), retryInMs);
    this.#setStatus({ state: "waiting", attempt, retryInMs, code, reason });
  }

  /** @param {number} [code] */
  #drop(code) {
    clearTimeout(this.#retry);
    clearInterval(this.#watch);
    const socket = this.#socket;
    this.#socket = null;
    if (!socket) return;
    for (const stream of this.#streams.values()) stream.connectionLost();
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.onerror = () => {};
    socket.close(code);
  }

  #checkSilence() {
    if (!this.#socket) return;
    const longest = Math.max(HEARTBEAT_S, ...[...this.#streams.values()].map((stream) => stream.intervalS));
    const silence = this.silenceMs;
    if (silence > SILENT_HEARTBEATS * longest * 1000) this.#lost(1006, "silence");
    else if (silence > longest * 1000 + 500 || this.#now() - this.#pingSentAt > 15_000) this.#ping();
  }

  #ping() {
    if (this.#now() - this.#pingSentAt < 4000) return;
    this.#pingSentAt = this.#now();
    this.#send({ action: "ping" });
  }

  /** @param {string[]} symbols @param {number} intervalS */
  #sendSubscribe(symbols, intervalS) {
    if (this.#socket?.readyState !== OPEN) return; // said when it opens
    /** @type {Record<string, { epoch: number, seq: number }>} */
    const resume = {};
    for (const symbol of symbols) {
      const at = this.#streams.get(symbol)?.resume;
      if (at) resume[symbol] = at;
    }
    const id = this.#nextId++;
    const message = { action: "subscribe", symbols, update_interval: intervalS, proto: 2, delta: true, id };
    this.#send(Object.keys(resume).length ? { ...message, resume } : message);
  }

  /** @param {object} message */
  #send(message) {
    if (this.#socket?.readyState === OPEN) this.#socket.send(JSON.stringify(message));
  }

  /** @param {string} text */
  #receive(text) {
    this.#lastMessageAt = this.#now();
    this.#emit("message", text);
    const message = JSON.parse(text);
    switch (message.type) {
      case "snapshot":
      case "delta":
        return this.#takeState(message);
      case "heartbeat":
        return this.#takeHeartbeat(message);
      case "subscribed":
        this.#settled();
        return this.#emit("subscribed", { symbols: message.symbols, intervalS: message.update_interval });
      case "pong":
        return this.#emit("latency", this.#now() - this.#pingSentAt);
      case "error":
        return this.#emit("error", { code: String(message.code), message: String(message.message) });
      case "warning":
        return this.#takeWarning(message);
    }
  }

  /** A word from the server proves the connection: the next failure starts the backoff afresh. */
  #settled() {
    if (this.#status.attempt) this.#setStatus({ ...this.#status, attempt: 0 });
  }

  /** @param {any} message */
  #takeState(message) {
    const stream = this.#streams.get(message.symbol);
    if (!stream) return;
    this.#settled();
    const { news, ask } = stream.take(message);
    if (ask) this.#resync(message.symbol, ask);
    if (news) this.#emit("snapshot", news);
  }

  /** @param {any} message */
  #takeHeartbeat(message) {
    this.#settled();
    for (const [symbol, at] of Object.entries(message.symbols ?? {})) {
      const ask = this.#streams.get(symbol)?.takeHeartbeat(at);
      if (ask) this.#resync(symbol, ask);
    }
  }

  /** @param {any} message */
  #takeWarning(message) {
    const dropped = Number(message.dropped_messages ?? 0);
    for (const { account } of this.#streams.values()) account.dropped += dropped;
    this.#emit("warning", { code: String(message.code), message: String(message.message), dropped });
  }

  /** @param {string} symbol @param {string} why */
  #resync(symbol, why) {
    this.#send({ action: "resync", symbols: [symbol] });
    this.#emit("resync", { symbol, why });
  }

  /** @param {Status} status */
  #setStatus(status) {
    this.#status = status;
    this.#emit("status", status);
  }

  /** @template {keyof Events} Name @param {Name} name @param {Events[Name]} payload */
  #emit(name, payload) {
    for (const listener of this.#listeners.get(name) ?? []) listener(payload);
  }
}
