// @ts-check
/**
 * The price ladder: clusters around the price, the largest and the next big one above and below it, with the
 * chance that the price gets there. Its rows stay the same elements, so that neither the focus nor a finger
 * on one is lost when figures change.
 * @module
 */

import { chanceToReach, leading, openHorizons } from "../data/chance.js";
import { BIG_SHARE, nextBig } from "../data/clusters.js";
import { chanceText, percent, price as priceText, signedPercent, stepDecimals, usd } from "../data/format.js";
import { h, put } from "./dom.js";

/** @typedef {import("../data/clusters.js").Cluster} Cluster */
/** @typedef {import("../data/market.js").Market} Market */
/** @typedef {{ cluster: Cluster, next: boolean }} Entry */
/**
 * @typedef {object} LadderHooks
 * @property {(above: Cluster | undefined, below: Cluster | undefined) => void} onNext the next big
 * clusters, at every drawing
 * @property {(price: number) => void} onChoose the price of the cluster the viewer chose
 */

const SHOWN_PER_SIDE = 5;
const NEXT_TEXT = "Next big cluster";
const NEXT_RULE = `The first cluster on the way with at least ${percent(BIG_SHARE)} of the largest one's USD`;

export class PriceLadder {
  element = h("section", { class: "block ladder" });
  #caption = h("caption", { class: "unseen" });
  #here = h("th", { scope: "row", colspan: 2 });
  #when = h("td", { colspan: 2 }, "price now");
  #heading = h("span");
  #chanceHead = h("th", { scope: "col" }, "Chance");
  #above;
  #below;
  #waiting = h("p", { class: "quiet" }, "Waiting for the first map.");
  #table;
  #onNext;

  /** @param {LadderHooks} hooks */
  constructor({ onNext, onChoose }) {
    this.#onNext = onNext;
    this.#above = Array.from({ length: SHOWN_PER_SIDE }, () => new Row(onChoose));
    this.#below = Array.from({ length: SHOWN_PER_SIDE }, () => new Row(onChoose));
    const [at, away, amount] = ["Price", "Distance", "USD"].map((name) => h("th", { scope: "col" }, name));
    const heads = [at, away, this.#chanceHead, amount];
    const rows = [
      ...this.#above,
      h("tr", { class: "here" }, this.#here, this.#when),
      ...this.#below,
    ];
    this.#table = h(
      "table",
      {},
      this.#caption,
      h("thead", { class: "unseen" }, h("tr", {}, ...heads)),
      h("tbody", {}, ...rows.map((row) => (row instanceof Row ? row.element : row))),
    );
    put(
      this.element,
      h("h2", {}, "Clusters", this.#heading),
      this.#waiting,
      this.#table,
    );
  }

  /** @param {Market} market */
  draw(market) {
    const { shown: now } = market;
    this.#waiting.hidden = Boolean(now);
    this.#table.hidden = !now;
    if (!now) return;
    const { over, under, most } = entriesOf(market, now);
    this.#caption.textContent = `Largest liquidation clusters of ${market.symbol} above and below the price`;
    this.#here.textContent = priceText(now.price);
    this.#when.textContent = market.at === null ? "price now" : "price then";
    // A forecast is of now: beside the levels of then it would be taken for one of then.
    const lead = market.at === null ? leading(openHorizons(market.forecast, now.timeMs)) : undefined;
    const within = lead?.horizon.reach ? `chance in ${lead.short}` : "";
    const chance = (/** @type {Entry | undefined} */ entry) =>
      entry && lead ? chanceToReach(lead.horizon, entry.cluster.price, now.price) : null;
    this.#chanceHead.textContent = within || "Chance";
    this.#heading.textContent = ["price", "away", within, "USD"].filter(Boolean).join(" · ");
    // Few of them stand next to the price, not at the far end.
    const show = (/** @type {Row} */ row, /** @type {Entry | undefined} */ entry) =>
      row.show(entry, now, most, chance(entry));
    this.#above.forEach((row, i) => show(row, over[i - (SHOWN_PER_SIDE - over.length)]));
    this.#below.forEach((row, i) => show(row, under[i]));
    this.#nameNext(over, under);
  }

  /** All that is in sight of a ladder that is covered. @param {Market} market */
  nameNext(market) {
    const { shown: now } = market;
    if (!now) return;
    const { over, under } = entriesOf(market, now);
    this.#nameNext(over, under);
  }

  /**
   * @param {Entry[]} over
   * @param {Entry[]} under
   */
  #nameNext(over, under) {
    this.#onNext(
      over.find(({ next }) => next)?.cluster,
      under.find(({ next }) => next)?.cluster,
    );
  }
}

/**
 * What the ladder shows above and below the price, and the USD of the largest.
 * @param {Market} market
 * @param {import("../data/market.js").Now} now
 */
function entriesOf(market, now) {
  const above = market.clusters("short", now).filter((cluster) => cluster.price > now.price);
  const below = market.clusters("long", now).filter((cluster) => cluster.price < now.price);
  const most = Math.max(1, above[0]?.usd ?? 0, below[0]?.usd ?? 0);
  return { over: chosen(above, now.price), under: chosen(below, now.price), most };
}

class Row {
  #price = h("span");
  #badge = h("small", {}, NEXT_TEXT);
  #distance = h("td");
  #chance = h("td", { class: "chance" });
  #bar = h("i");
  #usd = h("b");
  /** @type {Cluster | null} */
  #cluster = null;

  /** @param {(price: number) => void} choose */
  constructor(choose) {
    const button = h("button", { type: "button", title: "Show it on the map" }, this.#price, this.#badge);
    this.element = h(
      "tr",
      { onclick: () => this.#cluster && choose(this.#cluster.price) },
      h("th", { scope: "row" }, button),
      this.#distance,
      this.#chance,
      h("td", { class: "amount" }, this.#bar, this.#usd),
    );
  }

  /**
   * @param {Entry | undefined} entry none: nothing to show here
   * @param {import("../data/market.js").Now} now
   * @param {number} most USD of a full bar
   * @param {number | null} chance that the price gets there; null: none is known
   */
  show(entry, { price, grid }, most, chance) {
    this.element.hidden = !entry;
    this.#cluster = entry?.cluster ?? null;
    if (!entry) return;
    const { cluster, next } = entry;
    const swept = price >= cluster.low && price <= cluster.high;
    this.element.title = `${priceText(cluster.low)} to ${priceText(cluster.high)}`;
    this.#price.textContent = priceText(cluster.price, stepDecimals(grid.step));
    this.#badge.hidden = !next && !swept;
    this.#badge.textContent = swept ? "being swept" : NEXT_TEXT;
    this.#badge.title = swept ? "The price is inside it: what is left is shown" : NEXT_RULE;
    this.#distance.textContent = signedPercent(cluster.price / price - 1);
    this.#chance.textContent = chance === null ? "" : chanceText(chance);
    this.#bar.className = cluster.side;
    this.#bar.style.width = `calc((100% - 8px) * ${cluster.usd / most})`; // short of the chance beside it
    this.#usd.textContent = usd(cluster.usd);
  }
}

/**
 * The largest clusters and the next big one, from the highest price to the lowest.
 * @param {Cluster[]} clusters largest first
 * @param {number} price
 * @returns {Entry[]}
 */
export function chosen(clusters, price) {
  const near = nextBig(clusters, price);
  const shown = new Set(clusters.slice(0, SHOWN_PER_SIDE));
  if (near && !shown.has(near)) {
    shown.delete(clusters[SHOWN_PER_SIDE - 1]);
    shown.add(near);
  }
  return [...shown]
    .sort((a, b) => b.price - a.price)
    .map((cluster) => ({ cluster, next: cluster === near }));
}
