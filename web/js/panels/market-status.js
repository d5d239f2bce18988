// @ts-check
/**
 * What the page of all markets says of its connection: the indicator, the labels for the kind of data, and a
 * notice while figures may be old.
 * @module
 */

import { Clock, duration } from "../data/format.js";
import { connectionStatusOf, STATUS_TEXT } from "../state/connection-status.js";
import { announce, find, h, put } from "./dom.js";
import { lateSentence, lostSentence, showNotice } from "./notice.js";

/** @typedef {import("../wire/market-table.js").MarketTable} MarketTable */
/** @typedef {import("../state/connection-status.js").ConnectionStatus} ConnectionStatus */

const MESSAGE_MS = 8000;
/** The table comes every 2 s, if only with its time. */
const LATE_MS = 10_000;

export class MarketStatus {
  #client;
  #liveness;
  #utc;
  #button = find("#connection");
  #everOpen = false;
  #waitingSince = 0;
  /** @type {MarketTable | null} */
  #table = null;
  #tableAt = -Infinity;
  #polledAt = -Infinity;
  #message = "";
  #messageAt = -Infinity;
  #paused = false;
  #labels = "";
  /** @type {ConnectionStatus} */
  state = "connecting";
  #announced = this.state;

  /**
   * @param {import("../websocket-client.js").LiqstreamClient} client
   * @param {import("../data/liveness.js").Liveness} liveness
   * @param {() => boolean} utc whether times are in UTC
   */
  constructor(client, liveness, utc) {
    this.#client = client;
    this.#liveness = liveness;
    this.#utc = utc;
    client.on("status", ({ state }) => {
      this.#everOpen ||= state === "open";
      if (state === "waiting") this.#waitingSince = performance.now();
      this.draw();
    });
    client.on("error", ({ code, message }) => this.say(`${code}: ${message}`));
    this.#button.addEventListener("click", () => client.hurry());
    setInterval(() => {
      this.draw();
      if (this.state !== this.#announced) announce(STATUS_TEXT[this.state]);
      this.#announced = this.state;
    }, 1000);
  }

  /** Shows a sentence for some seconds. @param {string} text */
  say(text) {
    [this.#message, this.#messageAt] = [text, performance.now()];
    this.draw();
  }

  /**
   * @param {MarketTable} table
   * @param {boolean} polled whether it was fetched, not streamed
   */
  took(table, polled) {
    this.#table = table;
    this.#tableAt = performance.now();
    if (polled) this.#polledAt = this.#tableAt;
    this.draw();
  }

  /** A fetch failed: nothing is polled. */
  missed() {
    this.#polledAt = -Infinity;
    this.draw();
  }

  /** @param {boolean} paused */
  pause(paused) {
    this.#paused = paused;
    document.title = `${paused ? "(paused) " : ""}Markets · liqstream`;
    this.draw();
  }

  draw() {
    const now = performance.now();
    const ageMs = now - this.#tableAt;
    this.state = connectionStatusOf({
      socket: this.#client.status.state,
      everOpen: this.#everOpen,
      unansweredMs: this.#client.unansweredMs,
      confirmed: this.#client.markets !== null,
      offline: this.#liveness.offline,
      woken: this.#liveness.woken,
      warned: false,
      late: this.#client.markets !== null && ageMs > LATE_MS,
      paused: this.#paused,
      pollAgeMs: now - this.#polledAt,
    });
    const isOld = ageMs > LATE_MS && Number.isFinite(ageMs);
    if (this.#button.dataset.state !== this.state) this.#button.dataset.state = this.state;
    const text = STATUS_TEXT[this.state] + (isOld ? ` ${duration(ageMs)}` : "");
    if (this.#button.textContent !== text) put(this.#button, h("i"), h("span", {}, text));
    document.body.classList.toggle("lost", this.state === "disconnected" || this.state === "paused");
    this.#drawLabels();
    this.#drawNotice(ageMs);
  }

  #drawLabels() {
    const sources = new Set(this.#table?.fields.source ?? [document.documentElement.dataset.source ?? ""]);
    const names = ["simulated", "replay"].filter((name) => sources.has(name));
    if (names.join() === this.#labels) return;
    this.#labels = names.join();
    put(find("#labels"), ...names.map((name) => h("span", { class: `label ${name}` }, name.toUpperCase())));
  }

  /** @param {number} ageMs of the table */
  #drawNotice(ageMs) {
    showNotice(this.#wrong(ageMs), this.state === "disconnected");
  }

  /**
   * @param {number} ageMs of the table
   * @returns {import("./notice.js").Sentence | null} what is; null: nothing
   */
  #wrong(ageMs) {
    if (performance.now() - this.#messageAt < MESSAGE_MS) return { text: this.#message };
    if (this.state === "disconnected") {
      const { status } = this.#client;
      return lostSentence({ frozen: this.#frozen, status, waitingSince: this.#waitingSince });
    }
    return this.state === "slow" ? lateSentence(ageMs) : null;
  }

  get #frozen() {
    if (!this.#table) return "No figures yet, ";
    const time = new Clock(this.#utc()).format(Date.parse(this.#table.timestamp), "second");
    return `Figures frozen at ${time}, `;
  }
}
