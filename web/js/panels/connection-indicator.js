// @ts-check
/**
 * The connection indicator with its card, the labels for the kind of data, and the notice
 * when updates may be missing.
 * @module
 */

import { connectionStatusOf, STATUS_TEXT } from "../state/connection-status.js";
import { Clock, duration, number } from "../data/format.js";
import { Liveness } from "../data/liveness.js";
import { MarketClock } from "../data/market-clock.js";
import { store } from "../page-facts.js";
import { announce, find, h, put } from "./dom.js";
import { lateSentence, lostSentence, showNotice } from "./notice.js";

/** @typedef {import("../websocket-client.js").LiqstreamClient} LiqstreamClient */
/** @typedef {import("../data/market.js").Market} Market */

const WARNED_MS = 10_000;
const LATE_MS = 5000;
/** What is polled is late when it is older than this. */
const POLLED_LATE_MS = 15_000;
/** A second that takes this much longer was spent drawing, not listening. */
const LATE_BY_MS = 800;

/** @type {Record<string, [string, string]>} label, explanation */
const SOURCES = {
  simulated: ["SIMULATED", "A simulated market: no real prices, no real positions"],
  replay: ["REPLAY", "Recorded market data, played again"],
};

export class ConnectionIndicator {
  #client;
  #loader;
  /** @type {Market | null} */
  #market = null;
  #everOpen = false;
  #warnedAt = -Infinity;
  #lateAt = -Infinity;
  #tickAt = performance.now();
  #waitingSince = 0;
  #latency = NaN;
  #dropped = 0;
  #resyncs = 0;
  #error = "";
  #errorAt = -Infinity;
  #liveness;
  #button = find("#connection");
  #card = h("div", { class: "card", id: "connection-card", role: "tooltip", hidden: true });
  #notice = find("#notice");
  #labels = find("#labels");
  #shownLabels = "";
  /** @type {import("../state/connection-status.js").ConnectionStatus} */
  state = "connecting";
  #announced = this.state;
  #onStatus;
  #marketClock = new MarketClock();

  /**
   * @param {LiqstreamClient} client
   * @param {import("../data/market-loader.js").MarketLoader} loader
   * @param {(status: import("../state/connection-status.js").ConnectionStatus) => void} onStatus called when
   * it changed
   */
  constructor(client, loader, onStatus) {
    this.#onStatus = onStatus;
    this.#client = client;
    this.#loader = loader;
    this.#button.after(this.#card);
    client.on("status", ({ state }) => {
      this.#everOpen ||= state === "open";
      if (state === "waiting") this.#waitingSince = performance.now();
      this.draw();
    });
    client.on("confirmed", () => this.draw());
    client.on("warning", ({ code, dropped }) => {
      if (code === "NO_DATA_YET") return; // nothing is late that never was
      this.#warnedAt = performance.now();
      this.#dropped += dropped;
      this.draw();
    });
    client.on("resync", () => (this.#resyncs += 1));
    client.on("latency", (ms) => (this.#latency = ms));
    client.on("error", ({ code, message }) => this.showMessage(`${code}: ${message}`));
    for (const event of ["pointerenter", "focus"]) {
      this.#button.addEventListener(event, () => this.#showCard(true));
    }
    for (const event of ["pointerleave", "blur"]) {
      this.#button.addEventListener(event, () => this.#showCard(false));
    }
    this.#button.addEventListener("click", () => {
      this.#client.hurry();
      this.#showCard(true);
    });
    this.#liveness = new Liveness(client, () => this.draw());
    // Frozen, as a page is that was left and is gone back to, it listened to nothing: that was not drawing.
    addEventListener("pageshow", () => (this.#tickAt = performance.now()));
    document.addEventListener("resume", () => (this.#tickAt = performance.now()));
    setInterval(() => this.#tick(), 1000);
  }

  /** Shows a sentence for some seconds. @param {string} text */
  showMessage(text) {
    this.#error = text;
    this.#errorAt = performance.now();
    this.draw();
  }

  /** @param {Market} market */
  show(market) {
    this.#market = market;
    this.draw();
  }

  #tick() {
    const now = performance.now();
    if (!document.hidden && now - this.#tickAt > 1000 + LATE_BY_MS && now - this.#tickAt < 30_000) {
      this.#lateAt = now;
    }
    this.#tickAt = now;
    this.draw();
    // What passes within a second is not announced.
    if (this.state !== this.#announced) announce(STATUS_TEXT[this.state]);
    this.#announced = this.state;
  }

  /**
   * Whether this connection's server stands behind every state in sight, that of the market in focus among
   * them. A choice of exchanges is polled; the socket's state says then that the server is there.
   */
  get #confirmed() {
    if (!this.#market?.now) return false;
    return this.#client.symbols.every((symbol) => {
      const { now = null, chosen = [] } = this.#loader.marketOf(symbol) ?? {};
      if (!now) return true;
      const isShown = chosen.length > 0 || this.#client.snapshot(symbol)?.epoch === now.epoch;
      return isShown && this.#client.isConfirmed(symbol);
    });
  }

  draw() {
    const now = performance.now();
    const warned = now - this.#warnedAt < WARNED_MS;
    const ageMs = this.#market?.now ? now - this.#market.now.receivedAt : NaN;
    const polledLate = Boolean(this.#market?.chosen.length) && ageMs > POLLED_LATE_MS;
    const late = now - this.#lateAt < LATE_MS || polledLate;
    const { state: socket } = this.#client.status;
    const state = connectionStatusOf({
      socket,
      everOpen: this.#everOpen,
      unansweredMs: this.#client.unansweredMs,
      confirmed: this.#confirmed,
      offline: this.#liveness.offline,
      woken: this.#liveness.woken,
      warned,
      late,
      paused: this.#loader.paused,
      pollAgeMs: this.#loader.pollAgeMs,
    });
    if (state !== this.state) {
      this.state = state;
      this.#onStatus(state);
    }
    this.#button.dataset.state = state;
    const age = h(
      "span",
      { class: ageMs > 10_000 ? "age late" : "age" },
      Number.isFinite(ageMs) ? duration(ageMs) : "",
    );
    put(this.#button, h("i"), h("span", {}, this.#textOf(state)), age);
    this.#drawLabels();
    this.#drawNotice(state, warned || late || state === "slow");
    if (!this.#card.hidden) this.#drawCard(ageMs);
  }

  /** @param {import("../state/connection-status.js").ConnectionStatus} state */
  #textOf(state) {
    const now = this.#market?.now;
    if (state !== "live" || now?.source !== "replay") return STATUS_TEXT[state];
    // Recorded data is not live however well it flows.
    const speed = this.#marketClock.speed(now);
    const time = new Clock(store.state.utc).format(now.timeMs, "stamp");
    return ["REPLAY", speed && `x${speed},`, time].filter(Boolean).join(" ");
  }

  #drawLabels() {
    const now = this.#market?.now;
    const source =
      now?.source ?? this.#market?.header?.source ?? document.documentElement.dataset.source ?? "";
    const labels = [];
    const [name, meaning] = SOURCES[source] ?? [];
    if (name) labels.push(h("span", { class: `label ${source}`, title: meaning }, name));
    if (now?.stale ?? this.#market?.header?.stale) {
      labels.push(
        h(
          "span",
          { class: "label stale", title: "The exchange has sent nothing for a while: the last known state" },
          "STALE",
        ),
      );
    }
    const texts = labels.map((label) => label.textContent).join();
    if (texts !== this.#shownLabels) put(this.#labels, ...labels);
    this.#shownLabels = texts;
  }

  /**
   * @param {import("../state/connection-status.js").ConnectionStatus} state
   * @param {boolean} slow
   */
  #drawNotice(state, slow) {
    if (this.#notice.dataset.kept) return; // a part of the page is missing (data/first-history.js)
    showNotice(this.#wrong(state, slow), state === "disconnected");
  }

  /**
   * @param {import("../state/connection-status.js").ConnectionStatus} state
   * @param {boolean} slow
   * @returns {import("./notice.js").Sentence | null} what is; null: nothing
   */
  #wrong(state, slow) {
    if (performance.now() - this.#errorAt < 8000) return { text: this.#error };
    if (state === "disconnected") {
      const { status } = this.#client;
      return lostSentence({ frozen: this.#frozen(), status, waitingSince: this.#waitingSince });
    }
    if (!slow || (state !== "live" && state !== "slow")) return null;
    const { now = null, chosen = [] } = this.#market ?? {};
    const polledMs = now && chosen.length ? performance.now() - now.receivedAt : 0;
    return lateSentence(Math.max(this.#client.silenceMs, polledMs));
  }

  /** Since when the prices shown have not moved. */
  #frozen() {
    const now = this.#market?.now;
    if (!now) return "No prices yet, ";
    return `Prices frozen at ${new Clock(store.state.utc).format(now.timeMs, "second")}, `;
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
      ["Latency", Number.isFinite(this.#latency) ? `${number(this.#latency, 1)} ms` : "–"],
      ["Last update", Number.isFinite(ageMs) ? `${duration(ageMs)} ago` : "–"],
      [
        "Last message",
        Number.isFinite(this.#client.silenceMs) ? `${duration(this.#client.silenceMs)} ago` : "–",
      ],
      ["Snapshot", now ? `#${now.seq}` : "–"],
      ["Received", String(account.received)],
      ["Skipped", String(account.skipped)],
      ["Dropped", String(this.#dropped)],
      ["Resyncs", String(this.#resyncs)],
    ];
    const { state, retryInMs, attempt } = this.#client.status;
    if (state === "waiting") rows.push(["Next try", `in ${duration(retryInMs)} at most (${attempt})`]);
    put(
      this.#card,
      ...rows.map(([name, value]) => h("div", { class: "row" }, h("span", {}, name), h("b", {}, value))),
    );
  }
}
