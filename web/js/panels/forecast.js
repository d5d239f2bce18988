// @ts-check
/**
 * What is expected to be liquidated next, above the levels: USD per side with its 80 % range, the chance that
 * the next big clusters are reached, and what may be claimed of it. It says of which exchanges; no arrow.
 * @module
 */

import { LEAD, chanceToReach, leading, openHorizons } from "../data/chance.js";
import { nextBig } from "../data/clusters.js";
import { chanceText, counted, duration, number, usd } from "../data/format.js";
import { price as priceText, stepDecimals } from "../data/format.js";
import { fetchForecast } from "../data/rest-client.js";
import { h, put } from "./dom.js";

/** @typedef {import("../data/market.js").Market} Market */
/** @typedef {import("../data/rest-client.js").Forecast} Forecast */
/** @typedef {import("../data/rest-client.js").HorizonForecast} HorizonForecast */
/** @typedef {import("../data/rest-client.js").ForecastScore} ForecastScore */

const FETCH_MS = 60_000;
const RETRY_MS = 15_000;
const SIMULATED = "simulated";
/** What exchanges tell of their liquidations that do not tell them all. @type {Record<string, string>} */
const TELL_LESS = { binance: "tells only the largest per second", okx: "tells one per second" };

export class ForecastPanel {
  element = h("section", { class: "block forecast", hidden: true });
  #of = "";
  #nextAt = -Infinity;
  #onLoaded;

  /** @param {() => void} onLoaded a forecast has come: what shows a part of it is to be drawn */
  constructor(onLoaded) {
    this.#onLoaded = onLoaded;
  }

  /**
   * Asks for the market's newest forecast when the one held is another's, or old: the tooltip has a part of
   * it too, whether this panel is in sight or not.
   * @param {Market} market
   */
  follow(market) {
    if (market.symbol !== this.#of) {
      this.#of = market.symbol;
      this.#nextAt = -Infinity;
    }
    if (market.now && !document.hidden && performance.now() >= this.#nextAt) {
      this.#nextAt = performance.now() + FETCH_MS;
      void this.#load(market);
    }
  }

  /** @param {Market} market whose newest forecast is shown */
  draw(market) {
    const parts = market.forecast ? partsOf(market.forecast, market) : [];
    this.element.hidden = !parts.length;
    put(this.element, ...parts);
  }

  /** @param {Market} market */
  async #load(market) {
    const of = this.#of;
    try {
      market.forecast = await fetchForecast(market.symbol);
    } catch {
      // None has been issued yet, or the server is away: what is held is shown until it is over.
      this.#nextAt = Math.min(this.#nextAt, performance.now() + RETRY_MS);
      return;
    }
    if (of === this.#of) this.#onLoaded();
  }
}

/**
 * @param {Forecast} forecast
 * @param {Market} market
 * @returns {import("./dom.js").Child[]} nothing once every window is over
 */
function partsOf(forecast, market) {
  const { now } = market;
  const open = now ? openHorizons(forecast, now.timeMs) : [];
  const lead = leading(open);
  if (!now || !lead) return [];
  const next = [
    nextBig(market.clusters("short", now), now.price),
    nextBig(market.clusters("long", now), now.price),
  ].flatMap((cluster) => (cluster ? [cluster.price] : []));
  const rows = open.map(({ short, horizon }) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, short),
      h("td", { class: "long-text" }, ...side(horizon.long)),
      h("td", { class: "short-text" }, ...side(horizon.short)),
    ),
  );
  const chances = chancesOf(lead, next, now.price, stepDecimals(now.grid.step));
  const age = duration(Math.max(0, now.timeMs - forecast.time_ms));
  return [
    h("h2", {}, "Forecast", h("span", {}, `longs · shorts · ${age} old`)),
    h("p", { class: "lead" }, sentenceOf(forecast, lead.name, lead.horizon)),
    reportedText(forecast.exchanges) && h("p", { class: "quiet" }, reportedText(forecast.exchanges)),
    h("table", {}, h("tbody", {}, ...rows)),
    chances && h("p", { class: "quiet" }, chances),
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
  const real = exchanges.filter((exchange) => !exchange.startsWith(SIMULATED));
  if (!real.length) return "";
  const less = real.filter((each) => TELL_LESS[each]).map((each) => `${each} ${TELL_LESS[each]}`);
  return `USD as ${real.join(", ")} report${real.length > 1 ? "" : "s"} them${["", ...less].join("; ")}.`;
}

/**
 * @param {{ name: string, horizon: HorizonForecast }} lead
 * @param {number[]} prices of the next big clusters, from the highest
 * @param {number} from the price now
 * @param {number} decimals of the grid
 * @returns {string} empty where there is none, or no chance is known
 */
export function chancesOf({ name, horizon }, prices, from, decimals) {
  const texts = prices.flatMap((each) => {
    const chance = chanceToReach(horizon, each, from);
    return chance === null ? [] : [`${priceText(each, decimals)} (${chanceText(chance)})`];
  });
  return texts.length ? `Chance to reach the next big cluster within the ${name}: ${texts.join(", ")}.` : "";
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
    `Next hour: rank correlation ${number(rank.with_map, 2)} (history and expected range alone ` +
    `${number(alone, 2)}; ${counted(windows, "hour")}).${skill} The map's own part: ` +
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
  return `${value < 0 ? "−" : "+"}${number(Math.abs(value), 3)}`;
}
