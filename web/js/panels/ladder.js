// @ts-check
/**
 * The clusters as a ladder around the price: the largest and the nearest above and below it. Its rows stay
 * the same elements, so that neither the focus nor a finger on one is lost when figures change.
 * @module
 */

import { price as priceText, signedPercent, stepDecimals, usd } from "../data/format.js";
import { h, put } from "./dom.js";

/** @typedef {import("../data/clusters.js").Cluster} Cluster */
/** @typedef {import("../data/market.js").Market} Market */
/** @typedef {{ cluster: Cluster, nearest: boolean }} Rung */

const SHOWN_PER_SIDE = 5;
/** A cluster this small beside the largest is not what one looks for as the nearest. */
const NEAREST_SHARE = 0.12;

export class Ladder {
  element = h("section", { class: "block ladder" });
  #caption = h("caption", { class: "unseen" });
  #here = h("th", { scope: "row" });
  #above = Array.from({ length: SHOWN_PER_SIDE }, () => new Row((price) => this.onChoose(price)));
  #below = Array.from({ length: SHOWN_PER_SIDE }, () => new Row((price) => this.onChoose(price)));
  #waiting = h("p", { class: "quiet" }, "Waiting for the first map.");
  #table;
  /** Called with the nearest cluster above and below. @type {(above: Cluster | undefined, below: Cluster | undefined) => void} */
  onNearest = () => {};
  /** Called with the price of the cluster that was chosen. @type {(price: number) => void} */
  onChoose = () => {};

  constructor() {
    const heads = ["Price", "Distance", "USD"].map((name) => h("th", { scope: "col" }, name));
    const rows = [...this.#above, h("tr", { class: "here" }, this.#here, h("td", { colspan: 2 }, "price now")), ...this.#below];
    this.#table = h(
      "table",
      {},
      this.#caption,
      h("thead", { class: "unseen" }, h("tr", {}, ...heads)),
      h("tbody", {}, ...rows.map((row) => (row instanceof Row ? row.element : row))),
    );
    put(this.element, h("h2", {}, "Clusters", h("span", {}, "price · away · USD")), this.#waiting, this.#table);
  }

  /** @param {Market} market */
  draw(market) {
    const { now } = market;
    this.#waiting.hidden = Boolean(now);
    this.#table.hidden = !now;
    if (!now) return;
    const above = market.clusters("short").filter((cluster) => cluster.price > now.price);
    const below = market.clusters("long").filter((cluster) => cluster.price < now.price);
    const [over, under] = [chosen(above, now.price), chosen(below, now.price)];
    const most = Math.max(1, above[0]?.usd ?? 0, below[0]?.usd ?? 0);
    this.#caption.textContent = `Largest liquidation clusters of ${market.symbol} above and below the price`;
    this.#here.textContent = priceText(now.price);
    // Few of them stand next to the price, not at the far end.
    this.#above.forEach((row, i) => row.show(over[i - (SHOWN_PER_SIDE - over.length)], now, most));
    this.#below.forEach((row, i) => row.show(under[i], now, most));
    this.onNearest(over.find(({ nearest }) => nearest)?.cluster, under.find(({ nearest }) => nearest)?.cluster);
  }
}

class Row {
  #price = h("span");
  #nearest = h("small", {}, "nearest");
  #distance = h("td");
  #bar = h("i");
  #usd = h("b");
  /** @type {Cluster | null} */
  #cluster = null;

  /** @param {(price: number) => void} choose */
  constructor(choose) {
    const button = h("button", { type: "button", title: "Show it on the map" }, this.#price, this.#nearest);
    this.element = h("tr", { onclick: () => this.#cluster && choose(this.#cluster.price) }, h("th", { scope: "row" }, button), this.#distance, h("td", { class: "amount" }, this.#bar, this.#usd));
  }

  /** @param {Rung | undefined} rung none: nothing to show here @param {import("../data/market.js").Now} now @param {number} most USD of a full bar */
  show(rung, { price, grid }, most) {
    this.element.hidden = !rung;
    this.#cluster = rung?.cluster ?? null;
    if (!rung) return;
    const { cluster, nearest } = rung;
    this.element.title = `${priceText(cluster.low)} to ${priceText(cluster.high)}`;
    this.#price.textContent = priceText(cluster.price, stepDecimals(grid.step));
    this.#nearest.hidden = !nearest;
    this.#distance.textContent = signedPercent(cluster.price / price - 1);
    this.#bar.className = cluster.side;
    this.#bar.style.width = `${(100 * cluster.usd) / most}%`;
    this.#usd.textContent = usd(cluster.usd);
  }
}

/**
 * The largest clusters and the nearest one that counts, from the highest price to the lowest.
 * @param {Cluster[]} clusters largest first @param {number} price @returns {Rung[]}
 */
export function chosen(clusters, price) {
  const away = (/** @type {Cluster} */ cluster) => Math.abs(cluster.price - price);
  const near = clusters.filter((cluster) => cluster.usd >= NEAREST_SHARE * clusters[0].usd).sort((a, b) => away(a) - away(b))[0];
  const shown = new Set(clusters.slice(0, SHOWN_PER_SIDE));
  if (near && !shown.has(near)) {
    shown.delete(clusters[SHOWN_PER_SIDE - 1]);
    shown.add(near);
  }
  return [...shown].sort((a, b) => b.price - a.price).map((cluster) => ({ cluster, nearest: cluster === near }));
}
