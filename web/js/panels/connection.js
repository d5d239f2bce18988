// @ts-check
/**
 * The connection indicator with its card, the labels that say what kind of data this is, and the notice
 * when updates may be missing.
 * @module
 */

import { indicatorOf, INDICATOR_TEXT } from "../state/connection.js";
import { duration } from "../data/format.js";
import { announce, find, h, put } from "./dom.js";

/** @typedef {import("../websocket-client.js").LiqstreamClient} LiqstreamClient */
/** @typedef {import("../data/market.js").Market} Market */

const WARNED_MS = 10_000;
const LATE_MS = 5000;
/** A second that takes this much longer was spent drawing, not listening. */
const LATE_BY_MS = 800;
export const SLOW_TEXT = "Connection slow - may miss updates";

/** @type {Record<string, [string, string]>} label, explanation */
const SOURCES = {
  simulated: ["SIMULATED", "A simulated market: no real prices, no real positions"],
  replay: ["REPLAY", "Recorded market data, played again"],
};

export class Connection {
  #client;
  #feed;
  /** @type {Market | null} */
  #market = null;
  #everOpen = false;
  #warnedAt = -Infinity;
  #lateAt = -Infinity;
  #tickAt = performance.now();
  #latency = NaN;
  #dropped = 0;
  #resyncs = 0;
  #error = "";
  #errorAt = -Infinity;
  #button = find("#connection");
  #card = h("div", { class: "card", id: "connection-card", role: "tooltip", hidden: true });
  #notice = find("#notice");
  #labels = find("#labels");
  #said = "";
  /** @type {import("../state/connection.js").Indicator} */
  state = "connecting";
  /** @type {(state: import("../state/connection.js").Indicator) => void} */
  onState = () => {};

  /** @param {LiqstreamClient} client @param {import("../data/feed.js").Feed} feed */
  constructor(client, feed) {
    this.#client = client;
    this.#feed = feed;
    this.#button.after(this.#card);
    client.on("status", ({ state }) => {
      this.#everOpen ||= state === "open";
      this.draw();
    });
    client.on("warning", ({ dropped }) => {
      this.#warnedAt = performance.now();
      this.#dropped += dropped;
      this.draw();
    });
    client.on("resync", () => (this.#resyncs += 1));
    client.on("latency", (ms) => (this.#latency = ms));
    client.on("error", ({ code, message }) => this.tell(`${code}: ${message}`));
    for (const event of ["pointerenter", "focus"]) this.#button.addEventListener(event, () => this.#showCard(true));
    for (const event of ["pointerleave", "blur"]) this.#button.addEventListener(event, () => this.#showCard(false));
    this.#button.addEventListener("click", () => {
      this.#client.hurry();
      this.#showCard(true);
    });
    setInterval(() => this.#tick(), 1000);
  }

  /** Shows a sentence for some seconds. @param {string} text */
  tell(text) {
    this.#error = text;
    this.#errorAt = performance.now();
    this.draw();
  }

  /** @param {Market} market */
  follow(market) {
    this.#market = market;
    this.draw();
  }

  /** Seconds of silence that make data old: also what greys the map. */
  get silent() {
    return this.state === "disconnected";
  }

  #tick() {
    const now = performance.now();
    if (!document.hidden && now - this.#tickAt > 1000 + LATE_BY_MS && now - this.#tickAt < 30_000) this.#lateAt = now;
    this.#tickAt = now;
    this.draw();
  }

  draw() {
    const now = performance.now();
    const warned = now - this.#warnedAt < WARNED_MS;
    const late = now - this.#lateAt < LATE_MS;
    const { state: socket } = this.#client.status;
    const { silenceMs } = this.#client;
    const pollAgeMs = this.#feed.pollAgeMs;
    const state = this.#feed.paused ? "live" : indicatorOf({ socket, everOpen: this.#everOpen, silenceMs, intervalS: 1, warned, late, pollAgeMs });
    if (state !== this.state) {
      this.state = state;
      announce(INDICATOR_TEXT[state]);
      this.onState(state);
    }
    this.#button.dataset.state = state;
    const ageMs = this.#market?.now ? now - this.#market.now.receivedAt : NaN;
    const age = h("span", { class: ageMs > 10_000 ? "age late" : "age" }, Number.isFinite(ageMs) ? duration(ageMs) : "");
    put(this.#button, h("i"), h("span", {}, INDICATOR_TEXT[state]), age);
    this.#drawLabels();
    this.#drawNotice(state, warned || late || (state === "slow"));
    if (!this.#card.hidden) this.#drawCard(ageMs);
  }

  #drawLabels() {
    const now = this.#market?.now;
    const source = now?.source ?? this.#market?.header?.source ?? document.documentElement.dataset.source ?? "";
    const labels = [];
    const [name, meaning] = SOURCES[source] ?? [];
    if (name) labels.push(h("span", { class: `label ${source}`, title: meaning }, name));
    if (now?.stale ?? this.#market?.header?.stale) labels.push(h("span", { class: "label stale", title: "The source has been silent: this is the last known state" }, "STALE"));
    const said = labels.map((label) => label.textContent).join();
    if (said !== this.#said) put(this.#labels, ...labels);
    this.#said = said;
  }

  /** @param {import("../state/connection.js").Indicator} state @param {boolean} slow */
  #drawNotice(state, slow) {
    let text = "";
    if (performance.now() - this.#errorAt < 8000) text = this.#error;
    else if (state === "disconnected") text = this.#client.status.state === "refused" ? `The server refused the connection: ${this.#client.status.reason || this.#client.status.code}` : "Disconnected. Trying to reconnect.";
    else if (slow && (state === "live" || state === "slow")) text = SLOW_TEXT;
    this.#notice.hidden = !text;
    this.#notice.classList.toggle("bad", state === "disconnected");
    if (this.#notice.textContent !== text) this.#notice.textContent = text;
  }

  /** @param {boolean} visible */
  #showCard(visible) {
    this.#card.hidden = !visible;
    if (visible) this.draw();
  }

  /** @param {number} ageMs */
  #drawCard(ageMs) {
    const account = this.#client.account(this.#market?.symbol ?? "");
    const now = this.#market?.now;
    const { left, width, bottom } = this.#button.getBoundingClientRect();
    this.#card.style.right = `${Math.max(8, innerWidth - left - width)}px`;
    this.#card.style.top = `${bottom + 6}px`;
    const rows = [
      ["Latency", Number.isFinite(this.#latency) ? `${this.#latency.toFixed(1)} ms` : "–"],
      ["Last update", Number.isFinite(ageMs) ? `${duration(ageMs)} ago` : "–"],
      ["Last message", Number.isFinite(this.#client.silenceMs) ? `${duration(this.#client.silenceMs)} ago` : "–"],
      ["Sequence", now ? String(now.seq) : "–"],
      ["Received", String(account.received)],
      ["Skipped", String(account.skipped)],
      ["Dropped", String(this.#dropped)],
      ["Resyncs", String(this.#resyncs)],
    ];
    const { state, retryInMs, attempt } = this.#client.status;
    if (state === "waiting") rows.push(["Next try", `in ${duration(retryInMs)} at most (${attempt})`]);
    put(this.#card, ...rows.map(([name, value]) => h("div", { class: "row" }, h("span", {}, name), h("b", {}, value))));
  }
}
