// @ts-check
/**
 * Server-sent events over `fetch`, which sends the token that an EventSource cannot. It connects again by
 * itself, later with every failure, and after a silence longer than the server's signs of life.
 * @module
 */

import { fetchWithToken } from "./token.js";

/**
 * @typedef {"connecting" | "open" | "failed" | "none"} EventStreamState none: the server has no such stream
 */
/** @typedef {{ name: string, data: any }} ServerEvent */

const FIRST_WAIT_MS = 1000;
const LONGEST_WAIT_MS = 30_000;
/** The server sends a comment every 15 s. */
const SILENCE_MS = 40_000;

/**
 * The whole events in a text, and what is left of it.
 * @param {string} text
 * @returns {{ events: ServerEvent[], rest: string }}
 */
export function eventsIn(text) {
  const parts = text.split("\n\n");
  const rest = parts.pop() ?? "";
  const events = parts.flatMap((part) => {
    const lines = part.split("\n");
    const of = (/** @type {string} */ field) =>
      lines.find((line) => line.startsWith(`${field}: `))?.slice(field.length + 2);
    const [name, data] = [of("event"), of("data")];
    return name && data ? [{ name, data: JSON.parse(data) }] : []; // else a comment
  });
  return { events, rest };
}

export class EventStream {
  #onEvents;
  #onState;
  #address = "";
  #waitMs = FIRST_WAIT_MS;
  /** @type {AbortController | null} of the request under way */
  #asking = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} the next try, or the end of patience */
  #timer;

  /**
   * @param {(events: ServerEvent[]) => void} onEvents called with what came at once
   * @param {(state: EventStreamState) => void} onState
   */
  constructor(onEvents, onState) {
    this.#onEvents = onEvents;
    this.#onState = onState;
  }

  /** Follows an address, and no other from now on. @param {string} address empty: none */
  follow(address) {
    if (address === this.#address) return;
    this.#address = address;
    this.#waitMs = FIRST_WAIT_MS;
    this.#asking?.abort();
    this.#asking = null;
    clearTimeout(this.#timer);
    if (address) void this.#read(address);
  }

  /** @param {string} address */
  async #read(address) {
    const asking = (this.#asking = new AbortController());
    const isOver = () => this.#asking !== asking;
    this.#onState("connecting");
    this.#endSilence(asking);
    try {
      const response = await fetchWithToken(address, {
        signal: asking.signal,
        headers: { accept: "text/event-stream" },
      });
      if (isOver()) return;
      if (response.status === 404) return this.#onState("none");
      if (response.ok && response.body) await this.#take(response.body, asking);
    } catch {
      // refused, cut off, silent or not understood: tried again all the same
    }
    asking.abort();
    if (isOver()) return;
    this.#onState("failed");
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#read(address), this.#waitMs * (0.5 + Math.random() / 2));
    this.#waitMs = Math.min(LONGEST_WAIT_MS, this.#waitMs * 2);
  }

  /** Gives up what stays silent from here on, also before its first byte. @param {AbortController} asking */
  #endSilence(asking) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => asking.abort(), SILENCE_MS);
  }

  /**
   * @param {ReadableStream<Uint8Array>} body
   * @param {AbortController} asking
   */
  async #take(body, asking) {
    const reader = body.getReader();
    const decoder = new TextDecoder();
    let text = "";
    for (;;) {
      this.#endSilence(asking);
      const { value, done } = await reader.read();
      if (done || this.#asking !== asking) return;
      this.#waitMs = FIRST_WAIT_MS;
      this.#onState("open");
      const { events, rest } = eventsIn(text + decoder.decode(value, { stream: true }));
      text = rest;
      if (events.length) this.#onEvents(events);
    }
  }
}
