// @ts-check
/**
 * Keeps asking whether the connection lives: after some silence, at once when the browser says that it is
 * offline, and when the page wakes, where a socket that does not answer soon is replaced instead of waited
 * for. Sleep is measured by the wall clock: the other one may stand still with the machine.
 * @module
 */

import { ASK_AFTER_MS, WAKE_MS } from "../state/connection-status.js";

/** @typedef {import("../websocket-client.js").LiqstreamClient} LiqstreamClient */

const LOOK_MS = 250;

export class Liveness {
  #client;
  #onChange;
  #offline = false;
  #woken = false;
  #heardAt = Date.now();
  /** @type {ReturnType<typeof setTimeout> | undefined} the check after waking */
  #waking;
  #lookedAt = Date.now();

  /**
   * @param {LiqstreamClient} client
   * @param {() => void} onChange called when what is known may have changed
   */
  constructor(client, onChange) {
    this.#client = client;
    this.#onChange = onChange;
    addEventListener("offline", () => this.#goOffline());
    for (const event of ["online", "pageshow"]) addEventListener(event, () => this.wake());
    document.addEventListener("visibilitychange", () => document.hidden || this.wake());
    client.on("message", () => {
      this.#heardAt = Date.now();
      if (!this.#offline && !this.#woken) return;
      // A server on this machine or network does not need what the browser misses.
      this.#offline = this.#woken = false;
      onChange();
    });
    setInterval(() => this.#look(), LOOK_MS);
  }

  /** Whether the browser says that it is offline, and nothing came since. */
  get offline() {
    return this.#offline;
  }

  /** Whether the page woke from a silence, and nothing came since. */
  get woken() {
    return this.#woken;
  }

  /** The page slept, or the line was away: asks, and opens another socket unless an answer comes soon. */
  wake() {
    this.#woken ||= Date.now() - this.#heardAt > ASK_AFTER_MS;
    this.#client.hurry();
    this.#client.ask();
    const { status } = this.#client;
    clearTimeout(this.#waking);
    this.#waking = setTimeout(() => {
      const isStuck = status.state === "connecting" && this.#client.status === status;
      if (isStuck || this.#client.unansweredMs >= WAKE_MS - LOOK_MS) this.#client.reopen();
    }, WAKE_MS);
    this.#onChange();
  }

  #goOffline() {
    this.#offline = true;
    this.#client.ask();
    this.#onChange();
  }

  #look() {
    const slept = Date.now() - this.#lookedAt > 20 * LOOK_MS && !document.hidden;
    this.#lookedAt = Date.now();
    if (slept) return this.wake();
    if (this.#client.silenceMs > ASK_AFTER_MS && !this.#client.unansweredMs) this.#client.ask();
    if (this.#client.unansweredMs || this.#offline) this.#onChange();
  }
}
