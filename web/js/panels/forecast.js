// @ts-check
/**
 * What is expected to be liquidated next, above the levels: USD per side with its 80 % range, the chance that
 * strong levels are reached, and what may be claimed of it. It says of which exchanges; it draws no arrow.
 * @module
 */

import { duration, percent, price, usd } from "../data/format.js";
import { fetchForecast } from "../data/rest-client.js";
import { h, put } from "./dom.js";

/** @typedef {import("../data/market.js").Market} Market */
/** @typedef {import("../data/rest-client.js").Forecast} Forecast */
/** @typedef {import("../data/rest-client.js").HorizonForecast} HorizonForecast */
/** @typedef {import("../data/rest-client.js").ForecastScore} ForecastScore */

const FETCH_MS = 60_000;
const RETRY_MS = 15_000;
const BANDS = 3;
const LEAD = "1h";
const SIMULATED = "simulated";
/** What exchanges tell of their liquidations that do not tell them all. @type {Record<string, string>} */
const TELL_LESS = { binance: "tells only the largest per second", okx: "tells one per second" };
/** By their key in the answer: their name, and how a table has it. @type {[string, string, string][]} */
const HORIZONS = [
  ["30m", "half-hour", "30 min"],
  ["1h", "hour", "1 h"],
  ["4h", "four hours", "4 h"],
];

export class ForecastPanel {
  element = h("section", { class: "block forecast", hidden: true });
  /** @type {Forecast | null} */
  #forecast = null;
  #of = "";
  #nextAt = -Infinity;

  /**
   * Shows the newest forecast of the market, and asks for it when the one held is another's, or old.
   * @param {Market} market
   */
  draw(market) {
    if (market.symbol !== this.#of) {
      this.#of = market.symbol;
      this.#forecast = null;
      this.#nextAt = -Infinity;
    }
    if (market.now && !document.hidden && performance.now() >= this.#nextAt) {
      this.#nextAt = performance.now() + FETCH_MS;
      void this.#load(market);
    }
    const parts = this.#forecast && market.now ? partsOf(this.#forecast, market.now.timeMs) : [];
    this.element.hidden = !parts.length;
    put(this.element, ...parts);
  }

  /** @param {Market} market */
  async #load(market) {
    const of = this.#of;
    try {
      const forecast = await fetchForecast(market.symbol);
      if (of === this.#of) this.#forecast = forecast;
    } catch {
      // None has been issued yet, or the server is away: what is held is shown until it is over.
      this.#nextAt = Math.min(this.#nextAt, performance.now() + RETRY_MS);
      return;
    }
    this.draw(market);
  }
}

/**
 * @param {Forecast} forecast
 * @param {number} nowMs of the market's data
 * @returns {import("./dom.js").Child[]} nothing once every window is over
 */
function partsOf(forecast, nowMs) {
  const open = HORIZONS.flatMap(([key, name, short]) => {
    const horizon = forecast.horizons[key];
    return horizon && horizon.until_ms > nowMs ? [{ key, name, short, horizon }] : [];
  });
  if (!open.length) return [];
  const lead = open.find(({ key }) => key === LEAD) ?? open[0];
  const rows = open.map(({ short, horizon }) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, short),
      h("td", { class: "long-text" }, ...side(horizon.long)),
      h("td", { class: "short-text" }, ...side(horizon.short)),
    ),
  );
  const age = duration(Math.max(0, nowMs - forecast.time_ms));
  return [
    h("h2", {}, "Forecast", h("span", {}, `longs · shorts · ${age} old`)),
    h("p", { class: "lead" }, sentenceOf(forecast, lead.name, lead.horizon)),
    reportedText(forecast.exchanges) && h("p", { class: "quiet" }, reportedText(forecast.exchanges)),
    h("table", {}, h("tbody", {}, ...rows)),
    h("p", { class: "quiet" }, chancesOf(lead.name, lead.horizon)),
    ...verdictsOf(open).map((text) => h("p", { class: "flag" }, text)),
  ];
}

/**
 * @param {HorizonForecast["long"]} expected
 * @returns {import("./dom.js").Child[]}
 */
function side({ expected_usd: expected, quantiles_usd: range }) {
  if (!range) return [usd(expected)];
  const small = `${usd(range["0.1"])} to ${usd(range["0.9"])}${tailNote(expected, range)}`;
  return [usd(expected), h("small", {}, small)];
}

/**
 * What is expected is a mean: where few large hours lift it above its own 80 % range, the median stands
 * beside.
 * @param {number} expected USD
 * @param {Record<string, number>} range USD by quantile
 * @returns {string}
 */
export function tailNote(expected, range) {
  return expected > range["0.9"] ? `, median ${usd(range["0.5"])}` : "";
}

/**
 * @param {Forecast} forecast
 * @param {string} name of the horizon
 * @param {HorizonForecast} horizon
 * @returns {string}
 */
export function sentenceOf(forecast, name, horizon) {
  const of = (/** @type {"long" | "short"} */ which) => {
    const { expected_usd: expected, quantiles_usd: range } = horizon[which];
    const note = range ? tailNote(expected, range) : "";
    const within = range ? ` (80 %: ${usd(range["0.1"])} to ${usd(range["0.9"])}${note})` : "";
    return `${usd(expected)} ${which}s${within}`;
  };
  return `Expected in the next ${name} on ${forecast.exchanges.join(", ")}: ${of("long")}, ${of("short")}.`;
}

/**
 * In whose USD that is: an exchange that tells less than all of its liquidations makes the sum a lower one.
 * @param {string[]} exchanges
 * @returns {string} empty in a simulated market, which tells all
 */
export function reportedText(exchanges) {
  const real = exchanges.filter((exchange) => exchange !== SIMULATED);
  if (!real.length) return "";
  const less = real.filter((each) => TELL_LESS[each]).map((each) => `${each} ${TELL_LESS[each]}`);
  return `USD as ${real.join(", ")} report${real.length > 1 ? "" : "s"} them${["", ...less].join("; ")}.`;
}

/**
 * @param {string} name of the horizon
 * @param {HorizonForecast} horizon
 * @returns {string} the chances of the strongest levels of either side, by price
 */
export function chancesOf(name, { chances }) {
  const bands = chances.filter(({ kind }) => kind === "band");
  const strongest = ["long", "short"].flatMap((of) =>
    bands.filter((chance) => chance.side === of).slice(0, BANDS),
  );
  const shown = strongest.sort((a, b) => b.price_usd - a.price_usd);
  const texts = shown.map((each) => `${price(each.price_usd)} (${percent(each.chance)})`);
  return `Chance to reach strong levels within the ${name}: ${texts.join(", ") || "none near"}.`;
}

/**
 * @param {{ name: string, horizon: HorizonForecast }[]} open
 * @returns {string[]} what may be claimed, horizons of which the same is true together
 */
export function verdictsOf(open) {
  /** @type {Map<string, string[]>} */
  const byVerdict = new Map();
  for (const { name, horizon } of open) {
    const { verdict } = horizon.skill;
    byVerdict.set(verdict, [...(byVerdict.get(verdict) ?? []), name]);
  }
  return [...byVerdict].map(([verdict, names]) => `Next ${names.join(", next ")}: ${verdict}.`);
}

/**
 * The next hour's grades in a sentence, the map's part by the smallest gain.
 * @param {Record<string, ForecastScore> | undefined} forecast of the score
 * @returns {string} empty where nothing is known of a forecast
 */
export function nextHourOf(forecast) {
  const graded = forecast?.[LEAD];
  if (!graded) return "";
  const { rank, verdict, rows, windows, reason } = graded;
  const gains = [rank, rank.gain_over_strongest, rank.gain_over_naive_map].flatMap(known);
  const alone = rows?.["AR+vol"]?.rank;
  if (typeof rank.with_map !== "number" || typeof alone !== "number" || gains.length < 3) {
    return `Next hour: ${verdict}${reason ? `: ${reason}` : ""}.`;
  }
  const smallest = gains.sort((a, b) => a.gain - b.gain)[0];
  const [low, high] = smallest.ci;
  const skill = verdict.startsWith("skill") ? "" : ` ${verdict[0].toUpperCase()}${verdict.slice(1)}.`;
  return (
    `Next hour: rank correlation ${rank.with_map.toFixed(2)} (history and expected range alone ` +
    `${alone.toFixed(2)}; ${windows.toLocaleString()} hours).${skill} The map's own part: ` +
    `${signed(smallest.gain)} (95 %: ${signed(low)} to ${signed(high)}): ${low > 0 ? "shown" : "not shown"}.`
  );
}

/**
 * @param {import("../data/rest-client.js").ForecastGain} gain
 * @returns {{ gain: number, ci: [number, number] }[]} it, if it is known
 */
function known({ gain, ci }) {
  const [low, high] = ci ?? [];
  if (typeof gain !== "number" || typeof low !== "number" || typeof high !== "number") return [];
  return [{ gain, ci: [low, high] }];
}

/** @param {number} value */
function signed(value) {
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(3)}`;
}
