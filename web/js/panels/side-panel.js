// @ts-check
/**
 * Beside the map, on tabs: the forecast, the price ladder, totals, the liquidations; how good the map is;
 * what the data behind it is worth. Only what is in sight is drawn, and asked for.
 * @module
 */

import { sumToPrice } from "../data/clusters.js";
import { counted, duration, percent, signedPercent, usd } from "../data/format.js";
import { fetchReady } from "../data/rest-client.js";
import { h, put } from "./dom.js";
import { AccuracyPanel } from "./accuracy.js";
import { ForecastPanel } from "./forecast.js";
import { PriceLadder } from "./price-ladder.js";

/** @typedef {import("../data/market.js").Market} Market */

const READY_MS = 5000;
const DRAW_MS = 450;

/** What the server's quality flags mean. @type {Record<string, string>} */
const FLAGS = {
  stale_open_interest: "Open interest has not changed for long",
  bars_late: "Bars are late",
  marks_late: "Mark prices are late",
  open_interest_late: "Open interest is late",
  missing_past: "Part of the history could not be fetched yet",
  not_trading: "An exchange does not trade it now",
  not_listed: "An exchange does not list it",
  other_coin: "An exchange lists another coin under this name: left out",
  contract_changed: "The contract size has changed",
  exchange_silent: "An exchange is silent: its part of the map is old",
  no_open_interest: "No open interest: nothing is added to the map",
  gap: "Bars are missing",
  zero_volume: "Bars without trades",
  price_jump: "The price jumped between bars",
  refused_data: "Impossible data was left out",
  out_of_order: "Bars came out of order and were mended",
  warming_up: "Too little history yet",
  calibrating: "Part of the dollars not checked: less than 14 days of an exchange's liquidations",
};

const MODEL_TEXT =
  "How positions are placed: for each bar, open interest that came in is spread over the leverages traders " +
  "use, and each leverage has its liquidation price. Bands end where the price has been since.";

/** Why no liquidations are shown. @type {Record<Market["liquidationsState"], string>} */
const NO_LIQUIDATIONS = {
  loading: "Loading liquidations",
  loaded: "No liquidations recorded in this window.",
  failed: "Liquidations could not be fetched. Trying again.",
};

export class SidePanel {
  /** @type {Market | null} */
  #market = null;
  #windowMs = 0;
  #priceLadder;
  #tabs;
  /** The tab drawn last. */
  #drawnTab = "";
  #totals = h("div");
  #tiersHead = h("h3", { hidden: true }, "Estimated leverage (from distance)");
  #tiers;
  #realised = h("section", { class: "block realised" });
  #accuracy = new AccuracyPanel();
  /** The maps show a part of it too. */
  forecast = new ForecastPanel(() => this.drawNow());
  #lines = h("div");
  #kernel = h("b");
  #model = h(
    "details",
    { class: "model-note", hidden: true },
    h("summary", {}, h("span", {}, "Model: ", this.#kernel), h("span", { class: "info" }, "i")),
    h("p", { class: "quiet" }, MODEL_TEXT),
  );
  #quality = h("section", { class: "block quality" }, this.#lines, this.#model);
  /** @type {import("../data/rest-client.js").Ready | null} */
  #ready = null;
  #readyAt = -Infinity;
  #drawnAt = -Infinity;
  /** @type {ReturnType<typeof setTimeout> | undefined} the timer of the next drawing */
  #later;

  /**
   * @param {HTMLElement} element
   * @param {import("./price-ladder.js").LadderHooks} hooks of its price ladder
   * @param {import("./leverage-tiers.js").LeverageTiers} tiers
   * @param {import("./side-tabs.js").SideTabs} tabs
   */
  constructor(element, hooks, tiers, tabs) {
    this.#priceLadder = new PriceLadder(hooks);
    this.#tabs = tabs;
    this.#tiers = tiers;
    const [ladder, accuracy] = [this.#priceLadder.element, this.#accuracy.element];
    // The tiers are controls: elements of their own, which the figures' next drawing leaves in place.
    const totals = h("section", { class: "block totals" }, this.#totals, this.#tiersHead, tiers.element);
    const levels = [this.forecast.element, ladder, totals, this.#realised];
    for (const each of levels) each.dataset.of = "levels";
    accuracy.dataset.of = "accuracy";
    this.#quality.dataset.of = "data";
    put(element, ...levels, accuracy, this.#quality);
  }

  /**
   * @param {Market} market
   * @param {number} windowMs
   */
  show(market, windowMs) {
    this.#market = market;
    this.#windowMs = windowMs;
    this.drawNow();
  }

  /** Draws at once, all of it. */
  drawNow() {
    this.#drawnAt = -Infinity;
    this.draw();
  }

  /**
   * Draws, at most twice a second: figures that flicker cannot be read. Out of sight it asks for nothing
   * but the forecast.
   * @param {{ covered?: boolean }} [place] covered: of a closed sheet only what stands on it is in sight
   */
  draw({ covered = false } = {}) {
    if (!this.#market || document.hidden) return;
    const { tab } = this.#tabs;
    const tooEarlyMs = this.#drawnAt + DRAW_MS - performance.now();
    if (tooEarlyMs > 0 && tab === this.#drawnTab) {
      this.#later ||= setTimeout(() => this.draw({ covered }), tooEarlyMs + 1);
      return;
    }
    clearTimeout(this.#later);
    this.#later = undefined;
    this.#drawnAt = performance.now();
    this.forecast.follow(this.#market);
    if (covered) return this.#priceLadder.nameNext(this.#market);
    this.#priceLadder.draw(this.#market);
    this.#drawnTab = tab;
    if (tab === "levels") this.#drawLevels(this.#market);
    else if (tab === "accuracy") this.#accuracy.draw(this.#market);
    else if (tab === "data") {
      this.#drawQuality(this.#market);
      if (this.#market.now) this.#fetchReady();
    }
    const warnings = warningCount(flagsOf(this.#market).length);
    this.#tabs.mark("data", this.#market.now?.stale ? "stale" : warnings);
  }

  /** @param {Market} market */
  #drawLevels(market) {
    this.#drawTotals(market);
    this.#drawRealised(market);
    this.forecast.draw(market);
    // These are of now: beside figures of then they would be taken for such.
    if (market.at !== null) this.forecast.element.hidden = true;
    this.#realised.hidden = market.at !== null;
  }

  #fetchReady() {
    const now = performance.now();
    if (now - this.#readyAt <= READY_MS) return;
    this.#readyAt = now;
    fetchReady().then(
      (ready) => (this.#ready = ready),
      () => (this.#ready = null),
    );
  }

  /** @param {Market} market */
  #drawTotals(market) {
    const { shown: now, at } = market;
    const wholeMix = at === null ? market.wholeMix : null; // nobody kept the leverages of then
    if (!now) return put(this.#totals);
    const { grid, price } = now;
    const within = (/** @type {number} */ share) =>
      share === Infinity
        ? [total(grid.long), total(grid.short)]
        : [-share, share].map((by) => sumToPrice(grid, price, price * (1 + by)).usd);
    const rows = [0.01, 0.02, 0.05, Infinity].map((share) => {
      const [long, short] = within(share);
      const bar = h("td", { class: "versus" }, h("i", { class: "long" }), h("i", { class: "short" }));
      for (const [i, value] of [long, short].entries()) {
        const part = /** @type {HTMLElement} */ (bar.children[i]);
        part.style.flexGrow = String(value / Math.max(1, long + short));
      }
      return h(
        "tr",
        {},
        h("th", { scope: "row" }, ...nameOf(share, now)),
        h("td", {}, usd(long)),
        bar,
        h("td", {}, usd(short)),
      );
    });
    put(
      this.#totals,
      h("h2", {}, at ? "Levels then" : "Liquidation levels nearby", h("span", {}, "longs · shorts")),
      h("table", {}, h("tbody", {}, ...rows)),
    );
    this.#tiersHead.hidden = !wholeMix;
    if (wholeMix) this.#tiers.draw(wholeMix);
    this.#tiers.element.hidden = at !== null;
  }

  /** @param {Market} market */
  #drawRealised(market) {
    const { matrix } = market;
    const end = market.now?.timeMs ?? matrix?.timeOf(matrix.end) ?? 0;
    const known = matrix ? (matrix.end - matrix.firstKnown) * matrix.intervalMs : Infinity;
    const shown = Math.min(this.#windowMs, known); // of a year of which a week is recorded, a week
    /** @type {[string, number][]} */
    const spans = [
      ["1 h", 3_600_000],
      ["24 h", 86_400_000],
      [duration(shown), shown],
    ];
    const rows = spans
      .filter(([, span], i) => i < 2 || span > 86_400_000)
      .map(([name, span]) => {
        const { long, short } = realised(market, end - span);
        return h(
          "tr",
          {},
          h("th", { scope: "row" }, name),
          h("td", { class: "long-text" }, usd(long)),
          h("td", { class: "short-text" }, usd(short)),
        );
      });
    const some = market.liquidations.length || market.totals.length;
    const of = market.chosen.length ? market.chosen.join(", ") : "all exchanges";
    put(
      this.#realised,
      h("h2", {}, "Liquidations", h("span", {}, `longs · shorts · ${of}`)),
      some
        ? h("table", {}, h("tbody", {}, ...rows))
        : h("p", { class: "quiet" }, NO_LIQUIDATIONS[market.liquidationsState]),
    );
  }

  /** @param {string} flag */
  #flagText(flag) {
    const young = this.#ready?.symbols?.[this.#market?.symbol ?? ""];
    if (flag === "calibrating" && young?.note) return `Dollars ${young.note}`;
    if (flag === "warming_up" && young?.history_percent !== undefined)
      return `Too little history yet: history ${young.history_percent} %`;
    return FLAGS[flag] ?? flag.replaceAll("_", " ");
  }

  /** @param {Market} market */
  #drawQuality(market) {
    const { now, header } = market;
    const exchanges = market.chosen.length ? market.chosen : market.exchanges;
    const feeds = this.#ready?.feeds ?? {};
    const lines = exchanges.map((exchange) => {
      const feed = feeds[exchange];
      const state = !feed
        ? ""
        : feed.connected
          ? `${duration(feed.last_message_age_ms)} ago`
          : "not connected";
      return h(
        "div",
        { class: "row" },
        h("span", {}, h("i", { class: `lamp ${feed && !feed.connected ? "bad" : "good"}` }), exchange),
        h("b", {}, state),
      );
    });
    const flags = flagsOf(market);
    put(
      this.#lines,
      h(
        "h2",
        {},
        "Data",
        h(
          "span",
          { class: flags.length || now?.stale ? "warn" : "good" },
          now?.stale ? "stale" : warningCount(flags.length) || "good",
        ),
      ),
      ...lines,
      ...flags.map((flag) => h("p", { class: "flag" }, this.#flagText(flag))),
    );
    // An element of its own, so that it stays open while the figures change.
    this.#kernel.textContent = now?.kernel || header?.kernel || "–";
    this.#model.hidden = !now && !header;
  }
}

/**
 * What was liquidated since then: totals, which are more complete than single events, of the intervals that
 * began since, and the events of the one it began in.
 * @param {Market} market
 * @param {number} fromMs
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

/** @param {Market} market @returns {string[]} what is to be known of its data */
function flagsOf({ now, header }) {
  return now?.quality ?? header?.quality ?? [];
}

/** @param {number} count @returns {string} empty: none */
function warningCount(count) {
  return count ? counted(count, "warning") : "";
}

/**
 * @param {number} share
 * @param {import("../data/market.js").Now} now
 */
function nameOf(share, now) {
  return share === Infinity ? ["all shown", h("small", {}, rangeText(now))] : [`within ${percent(share)}`];
}

/**
 * How far the grid reaches from the price: -12 to +14 %.
 * @param {import("../data/market.js").Now} now
 */
function rangeText({ grid, price }) {
  const [low, high] = [grid.p0, grid.p0 + (grid.long.length - 1) * grid.step];
  return `${signedPercent(low / price - 1, 0).replace(" %", "")} to ${signedPercent(high / price - 1, 0)}`;
}

/** @param {ArrayLike<number>} values */
function total(values) {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i];
  return sum;
}
