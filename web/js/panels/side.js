// @ts-check
/**
 * Beside the map: the clusters as a ladder around the price, totals, what was really liquidated, how good
 * the map is, and what the data behind it is worth.
 * @module
 */

import { duration, percent, usd } from "../data/format.js";
import { fetchReady, fetchScore } from "../data/rest.js";
import { h, put } from "./dom.js";
import { Ladder } from "./ladder.js";
import { showScore } from "./accuracy.js";

/** @typedef {import("../data/market.js").Market} Market */

const SCORE_MS = 300_000;
const READY_MS = 5000;
const DRAW_MS = 450;

/** What the server's quality flags mean. @type {Record<string, string>} */
const FLAGS = {
  stale_open_interest: "open interest has not changed for long",
  no_open_interest: "no open interest: amounts are relative",
  gap: "bars are missing",
  zero_volume: "bars without trades",
  price_jump: "the price jumped between bars",
  warming_up: "too little history yet",
  calibrating: "amounts not yet calibrated: right order, not right size",
};

export class Side {
  /** @type {Market | null} */
  #market = null;
  #windowMs = 0;
  ladder = new Ladder();
  #totals = h("section", { class: "block totals" });
  #realised = h("section", { class: "block realised" });
  #accuracy = h("section", { class: "block accuracy" });
  #quality = h("section", { class: "block quality" });
  /** @type {any} */
  #score = null;
  #scoreError = "";
  #scoreAt = -Infinity;
  /** What the score was asked for. */
  #scoreOf = "";
  /** @type {any} */
  #ready = null;
  #readyAt = -Infinity;
  #drawnAt = -Infinity;
  /** @type {any} the timer of the next drawing */
  #later = 0;

  /** @param {HTMLElement} element */
  constructor(element) {
    put(element, this.ladder.element, this.#totals, this.#realised, this.#accuracy, this.#quality);
  }

  /** @param {Market} market @param {number} windowMs */
  follow(market, windowMs) {
    this.#market = market;
    this.#windowMs = windowMs;
    this.#drawnAt = -Infinity;
    this.draw();
  }

  /** Draws, at most twice a second: figures that flicker cannot be read. */
  draw() {
    if (!this.#market) return;
    const tooEarlyMs = this.#drawnAt + DRAW_MS - performance.now();
    if (tooEarlyMs > 0) {
      this.#later ||= setTimeout(() => this.draw(), tooEarlyMs + 1);
      return;
    }
    clearTimeout(this.#later);
    this.#later = 0;
    this.#drawnAt = performance.now();
    this.ladder.draw(this.#market);
    this.#drawTotals(this.#market);
    this.#drawRealised(this.#market);
    this.#drawQuality(this.#market);
    this.#ask(this.#market);
  }

  /** @param {Market} market */
  #ask(market) {
    const now = performance.now();
    const some = market.liquidations.length > 0 || market.totals.length > 0;
    if (!some) showScore(this.#accuracy, null, "No liquidations recorded yet: nothing to hold the map against.");
    else if (this.#scoreOf !== scored(market) || now - this.#scoreAt > SCORE_MS) {
      this.#scoreOf = scored(market);
      this.#scoreAt = now;
      this.#score = null;
      void this.#askScore(market);
    }
    if (now - this.#readyAt > READY_MS) {
      this.#readyAt = now;
      fetchReady().then((ready) => (this.#ready = ready), () => (this.#ready = null));
    }
  }

  /** @param {Market} market */
  async #askScore(market) {
    const asked = scored(market);
    let [score, problem] = [null, ""];
    try {
      score = await fetchScore(market.symbol, market.chosen);
    } catch (error) {
      problem = error instanceof Error ? error.message : String(error);
    }
    if (asked !== this.#scoreOf) return; // another market, or other venues, by now
    [this.#score, this.#scoreError] = [score, problem];
    showScore(this.#accuracy, score, problem);
  }

  /** @param {Market} market */
  #drawTotals(market) {
    const { now, mix } = market;
    if (!now) return put(this.#totals);
    const within = (/** @type {number} */ share, /** @type {"long" | "short"} */ side) => {
      let total = 0;
      for (let i = 0; i < now.grid.long.length; i++) {
        const away = Math.abs((now.grid.p0 + i * now.grid.step) / now.price - 1);
        if (away <= share) total += now.grid[side][i];
      }
      return total;
    };
    const rows = [0.01, 0.02, 0.05, Infinity].map((share) => {
      const [long, short] = [within(share, "long"), within(share, "short")];
      const bar = h("td", { class: "versus" }, h("i", { class: "long" }), h("i", { class: "short" }));
      [long, short].forEach((value, i) => (/** @type {HTMLElement} */ (bar.children[i]).style.flexGrow = String(value / Math.max(1, long + short))));
      const name = share === Infinity ? "map" : `±${percent(share)}`;
      return h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, usd(long)), bar, h("td", {}, usd(short)));
    });
    const sums = mix?.groups.map((_, group) => total(mix.long[group]) + total(mix.short[group])) ?? [];
    const all = Math.max(1, total(sums));
    const legend = h("div", { class: "groups" }, ...(mix?.groups ?? []).map((name, group) => h("span", {}, h("i", { class: `group-${group}` }), `${name} `, h("b", {}, percent(sums[group] / all)))));
    put(
      this.#totals,
      h("h2", {}, "Standing now", h("span", {}, "longs · shorts")),
      h("table", {}, h("tbody", {}, ...rows)),
      mix && h("h3", {}, "By leverage"),
      legend,
    );
  }

  /** @param {Market} market */
  #drawRealised(market) {
    const end = market.now?.timeMs ?? market.matrix?.timeOf(market.matrix.end) ?? 0;
    /** @type {[string, number][]} */
    const spans = [["1 h", 3_600_000], ["24 h", 86_400_000], [duration(this.#windowMs), this.#windowMs]];
    const rows = spans.filter(([, span], i) => i < 2 || span > 86_400_000).map(([name, span]) => {
      const { long, short } = realised(market, end - span);
      return h("tr", {}, h("th", { scope: "row" }, name), h("td", { class: "long-text" }, usd(long)), h("td", { class: "short-text" }, usd(short)));
    });
    const some = market.liquidations.length || market.totals.length;
    put(
      this.#realised,
      h("h2", {}, "Really liquidated", h("span", {}, "longs · shorts")),
      some ? h("table", {}, h("tbody", {}, ...rows)) : h("p", { class: "quiet" }, "No liquidations recorded in this window."),
    );
  }

  /** @param {Market} market */
  #drawQuality(market) {
    const { now, header } = market;
    const venues = market.chosen.length ? market.chosen : market.venues;
    const feeds = this.#ready?.feeds ?? {};
    const lines = venues.map((venue) => {
      const feed = feeds[venue];
      const state = !feed ? "" : feed.connected ? `${duration(feed.last_message_age_ms)} ago` : "not connected";
      return h("div", { class: "row" }, h("span", {}, h("i", { class: `lamp ${feed && !feed.connected ? "bad" : "good"}` }), venue), h("b", {}, state));
    });
    const flags = now?.quality ?? header?.quality ?? [];
    put(
      this.#quality,
      h("h2", {}, "Data", h("span", { class: flags.length || now?.stale ? "warn" : "good" }, now?.stale ? "stale" : flags.length ? `${flags.length} note${flags.length > 1 ? "s" : ""}` : "good")),
      ...lines,
      ...flags.map((flag) => h("p", { class: "flag" }, FLAGS[flag] ?? flag.replaceAll("_", " "))),
      h("div", { class: "row" }, h("span", {}, "Kernel"), h("b", {}, now?.kernel || header?.kernel || "–")),
      now && h("div", { class: "row" }, h("span", {}, "Snapshot"), h("b", {}, `#${now.seq}`)),
    );
  }
}

/** What a market's score is of. @param {Market} market */
function scored({ symbol, chosen }) {
  return [symbol, ...chosen].join();
}

/**
 * What was liquidated since then: totals, which know more than single events, of the intervals that began
 * since, and the events of the one it began in.
 * @param {Market} market @param {number} fromMs
 */
export function realised(market, fromMs) {
  let [long, short] = [0, 0];
  const whole = new Set();
  for (const { timeMs, intervalMs, longUsd, shortUsd } of market.totals) {
    if (timeMs < fromMs) continue;
    whole.add(Math.floor(timeMs / intervalMs));
    long += longUsd;
    short += shortUsd;
  }
  const intervalMs = market.totals.at(-1)?.intervalMs ?? Infinity;
  for (const { timeMs, side, usd: amount } of market.liquidations) {
    if (timeMs < fromMs || whole.has(Math.floor(timeMs / intervalMs))) continue;
    if (side === "long") long += amount;
    else short += amount;
  }
  return { long, short };
}

/** @param {ArrayLike<number>} values */
function total(values) {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i];
  return sum;
}
