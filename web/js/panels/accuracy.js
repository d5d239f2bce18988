// @ts-check
/**
 * How good the map is, on this server's own data: one sentence about the drawn map against the best simple
 * rule, one about the next hour's forecast, and behind Details the table they rest on. It asks for the score
 * itself, and says apart that it is on its way, that there is none, and that it could not be had. Of a
 * simulated market it first says that this proves nothing, and what came out on a real one.
 * @module
 */

import { counted, duration, number } from "../data/format.js";
import { fetchScore, RestError } from "../data/rest-client.js";
import { h, put } from "./dom.js";
import { nextHourOf } from "./forecast.js";
import { MeasuredAccuracy } from "./measured-accuracy.js";
import { PUBLISHED, PUBLISHED_NOTE, publishedSpan } from "./published-score.js";

/** @typedef {import("../data/market.js").Market} Market */
/** @typedef {import("../data/rest-client.js").Score} Score */
/** @typedef {import("../data/rest-client.js").Gain} Gain */

const SIMULATED_TEXT = "Simulated market: accuracy here says nothing about real ones.";
const SCORE_MS = 300_000;
const RETRY_MS = 30_000;
const SOON_MS = 5000;
const LIVE_WITHIN_MS = 5000;

/** @type {[string, string][]} the simple rules, by their key in the score */
const RULES = [
  ["uniform_range", "untouched prices × range"],
  ["uniform", "untouched prices"],
  ["excursion", "size of the move"],
  ["extreme", "break of the 24 h high/low"],
  ["one_sided", "candle-colour model"],
];
/** Gains over a simple rule that come with an interval. */
const GAINS = ["gain_over_uniform_range", "gain_over_uniform"];
/** @type {Record<string, string>} */
const SPANS = { "1h": "hour", "30m": "half-hour", "15m": "quarter-hour", "1m": "minute", "1d": "day" };

/**
 * @typedef {object} Outcome of a request for the score
 * @property {Score} [score]
 * @property {string} [none] the server's sentence why there is none
 * @property {string} [failed] why it could not be had
 */

export class AccuracyPanel {
  element = h("section", { class: "block accuracy" });
  #lead = h("p", { class: "lead", role: "status" });
  #simulated = h(
    "div",
    { hidden: true },
    h("p", { class: "flag" }, SIMULATED_TEXT),
    h("h3", {}, `Published: real ${PUBLISHED.symbol}, ${publishedSpan()}`),
    h("p", { class: "published" }, `${verdict(PUBLISHED)} ${PUBLISHED_NOTE}`),
    h("h3", {}, "This simulated market"),
  );
  #nextHour = h("p", { class: "next-hour", hidden: true });
  #measured = new MeasuredAccuracy();
  #body = h("div");
  #details = h("details", { hidden: true }, h("summary", {}, "Details"), this.#body);
  /** @type {Outcome | null} null: on its way */
  #outcome = null;
  /** Market and exchanges the score was requested for. */
  #of = "";
  #nextAt = -Infinity;
  #sinceMs = performance.now();

  constructor() {
    const blocks = [this.#simulated, this.#lead, this.#nextHour, this.#measured.element, this.#details];
    put(this.element, h("h2", {}, "Accuracy"), ...blocks);
  }

  /**
   * Shows what is known of the market's score, and asks for it when it is another market's, or old.
   * @param {Market} market
   */
  draw(market) {
    const of = [market.symbol, ...market.chosen].join();
    if (of !== this.#of) {
      this.#of = of;
      this.#outcome = null;
      this.#nextAt = -Infinity;
      put(this.#body);
      this.#details.hidden = true;
    }
    // Not before the map is live, unless it does not become live.
    const begun = market.now || performance.now() > this.#sinceMs + LIVE_WITHIN_MS;
    if (begun && !document.hidden && performance.now() >= this.#nextAt) {
      this.#nextAt = performance.now() + SCORE_MS;
      void this.#load(market);
    }
    this.#simulated.hidden = (market.now?.source ?? market.header?.source) !== "simulated";
    const text = leadOf(this.#outcome, market);
    if (this.#lead.textContent !== text) this.#lead.textContent = text;
    const next = nextHourOf(this.#outcome?.score?.forecast);
    if (this.#nextHour.textContent !== next) this.#nextHour.textContent = next;
    this.#nextHour.hidden = !next;
    if (this.#outcome?.score) this.#measured.draw(market.symbol);
  }

  /** @param {Market} market */
  async #load(market) {
    const of = this.#of;
    const outcome = await outcomeOf(fetchScore(market.symbol, market.chosen));
    if (of !== this.#of) return; // another market, or other exchanges, by now
    if (!outcome?.score) this.#nextAt = performance.now() + (outcome ? RETRY_MS : SOON_MS);
    this.#outcome = outcome;
    this.#details.hidden = !outcome?.score;
    if (outcome?.score) put(this.#body, ...table(outcome.score));
    this.draw(market);
  }
}

/**
 * @param {Promise<Score>} request
 * @returns {Promise<Outcome | null>} null while there is no answer yet
 */
async function outcomeOf(request) {
  try {
    return { score: await request };
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    // Not every 503: one of a server that has nobody to ask stays a failure.
    if (error instanceof RestError && error.status === 503 && text.includes("being worked out")) return null;
    return error instanceof RestError && error.status === 404 ? { none: text } : { failed: text };
  }
}

/**
 * @param {Outcome | null} outcome
 * @param {Market} market
 * @returns {string}
 */
export function leadOf(outcome, market) {
  if (outcome?.score) return verdict(outcome.score);
  if (outcome?.failed) return `The accuracy could not be fetched: ${outcome.failed}. Trying again.`;
  const some = market.totals.length || market.liquidations.length;
  if (outcome?.none !== undefined) {
    return some
      ? `Not checked yet: ${outcome.none}.`
      : "Accuracy needs a liquidation feed; none for this market yet.";
  }
  const { length } = market.totals;
  const spans = length ? spansText(length, market.totals[0].intervalMs) : "recorded liquidations";
  return `Checking the map against ${spans}`;
}

/**
 * @param {number} count
 * @param {number} intervalMs of each
 */
function spansText(count, intervalMs) {
  const minutes = intervalMs / 60_000;
  const interval = minutes === 60 ? "1h" : minutes === 1440 ? "1d" : `${minutes}m`;
  return spansOf(count, interval, duration(intervalMs));
}

/**
 * @param {number} count
 * @param {string} interval of each, as the score names it
 * @param {string} [text] how it is written where it has no name
 */
function spansOf(count, interval, text = interval) {
  return SPANS[interval] ? counted(count, SPANS[interval]) : `${counted(count, "span")} of ${text}`;
}

/**
 * The drawn map against the best simple rule, in a sentence.
 * @param {Score} score
 * @returns {string}
 */
export function verdict({ mean, n, interval }) {
  const spans = spansOf(n, interval);
  const { drawn_map: map, with_same_bar: bar } = mean;
  const best = Math.max(...RULES.map(([key]) => mean.baselines[key]?.spearman ?? -Infinity));
  const drawn = compare(map.spearman, best, map);
  if (!drawn) return `Over ${spans} the drawn map could not be compared with a simple rule.`;
  const first = `Over ${spans} the drawn map ranks liquidations ${drawn} than the best simple rule`;
  const figures = `(${rank(map.spearman)} against ${rank(best)})`;
  const withBar = compare(bar.spearman, best, bar);
  const second = withBar && `; with the bar's own moves it is ${withBar} (${rank(bar.spearman)})`;
  return `${first} ${figures}${second}.`;
}

/**
 * By the interval of the lower of the gains that come with one: certain only where it lies on one side of 0.
 * A rule that has none and yet ranks higher leaves nothing to be better than.
 * @param {number | null | undefined} own rank correlation
 * @param {number} best of the rules
 * @param {Partial<Record<string, unknown>>} figures holds the gains
 * @returns {"" | "better" | "no better" | "worse"} empty: not known
 */
function compare(own, best, figures) {
  const gains = /** @type {(Gain | undefined)[]} */ (GAINS.map((key) => figures[key]));
  const lower = gains
    .filter((gain) => typeof gain?.spearman === "number")
    .sort((a, b) => Number(a?.spearman) - Number(b?.spearman))[0];
  const [low, high] = lower?.ci ?? [];
  if (typeof own !== "number" || typeof low !== "number" || typeof high !== "number") return "";
  if (high < 0) return "worse";
  return low > 0 && own > best ? "better" : "no better";
}

/**
 * @param {Score} score
 * @returns {import("./dom.js").Child[]}
 */
function table(score) {
  const { mean, exchange, n, interval, warnings = [] } = score;
  const of = (/** @type {string} */ key) => mean.baselines[key]?.spearman;
  const rows = [
    row("Drawn map", mean.drawn_map.spearman, "map-only"),
    row("With the bar's own moves", mean.with_same_bar.spearman, "model"),
    row("Best prediction", mean.model.spearman, "model"),
    ...RULES.map(([key, name]) => row(name, of(key), "")),
  ];
  const span = duration(Date.parse(score.to) - Date.parse(score.from));
  const spans = spansOf(n, interval);
  const { calibration } = mean.drawn_map;
  return [
    h("h3", {}, "Rank correlation with the liquidations, mean of longs and shorts"),
    h("table", {}, h("tbody", {}, ...rows)),
    h("p", { class: "quiet" }, `${exchange}, ${spans} over ${span}.`),
    typeof calibration === "number" &&
      h("p", { class: "quiet" }, `Actual liquidations were ${number(calibration, 2)}x the predicted.`),
    ...warnings.map((warning) => h("p", { class: "flag" }, String(warning))),
  ];
}

/**
 * @param {string} name
 * @param {number | null | undefined} value
 * @param {string} kind
 */
function row(name, value, kind) {
  if (typeof value !== "number") return null;
  const bar = h("i", { class: kind });
  bar.style.width = `calc((100% - 48px) * ${Math.max(0, Math.min(1, value))})`; // the rest is the figure's
  const figure = h("td", { class: "amount" }, bar, h("b", {}, rank(value)));
  return h("tr", { class: kind }, h("th", { scope: "row" }, name), figure);
}

/** @param {number | null | undefined} value a rank correlation */
function rank(value) {
  return typeof value === "number" ? number(value, 2) : "–";
}
