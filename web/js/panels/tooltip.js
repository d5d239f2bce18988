// @ts-check
/**
 * What the crosshair stands on, told exactly: USD, distance, since when, by leverage, what lies between, and
 * how that price fared before and after.
 * @module
 */

import { excess } from "../data/clusters.js";
import { RUNG_USD } from "../data/ladder.js";
import { duration, exactUsd, percent, price as priceText, signedPercent, stepDecimals, usd } from "../data/format.js";
import { h, put, sharp } from "./dom.js";

/** @typedef {import("../chart/chart-view.js").ChartView} ChartView */
/** @typedef {import("../chart/chart-view.js").Point} Point */

const SPARK_COLUMNS = 60;

export class Tooltip {
  #view;
  #element = h("div", { class: "tooltip", role: "tooltip", hidden: true });
  #spark = h("canvas", { class: "spark" });

  /** @param {HTMLElement} parent @param {ChartView} view */
  constructor(parent, view) {
    this.#view = view;
    parent.append(this.#element);
  }

  hide() {
    this.#element.hidden = true;
  }

  get text() {
    return this.#element.hidden ? "" : this.#element.innerText;
  }

  /** @param {Point} point */
  show(point) {
    const cell = readCell(this.#view, point);
    if (!cell) return this.hide();
    put(this.#element, ...this.#rows(cell));
    this.#element.hidden = false;
    this.#place(point);
    this.#drawSpark(cell);
  }

  /** @param {Cell} cell @returns {import("./dom.js").Child[]} */
  #rows(cell) {
    const { clock, market } = this.#view;
    const row = (/** @type {string} */ name, /** @type {import("./dom.js").Child[]} */ ...value) => h("div", { class: "row" }, h("span", {}, name), h("b", {}, ...value));
    /** @type {import("./dom.js").Child[]} */
    const rows = [
      h("div", { class: "head" }, h("b", {}, priceText(cell.price, stepDecimals(cell.step))), h("span", {}, signedPercent(cell.distance))),
      h("div", { class: "when" }, cell.future ? "ahead: what stands now" : clock.format(cell.timeMs, "full")),
    ];
    if (cell.missing) return [...rows, h("div", { class: "when" }, cell.missing)];
    if (cell.long || !cell.short) rows.push(row("Long", h("i", { class: "key long" }), exactUsd(cell.long)));
    if (cell.short) rows.push(row("Short", h("i", { class: "key short" }), exactUsd(cell.short)));
    rows.push(row("Above surroundings", usd(cell.over)));
    if (cell.sinceMs) rows.push(row("Stands since", `${duration(cell.sinceMs)}`));
    if (cell.between) rows.push(row(cell.price > cell.now ? "Shorts from price to here" : "Longs from price to here", usd(cell.between)));
    if (cell.mix) rows.push(this.#mix(cell.mix, market?.mix?.groups ?? []));
    if (cell.realised[0] || cell.realised[1]) rows.push(row("Liquidated here", `${usd(cell.realised[0])} L · ${usd(cell.realised[1])} S`));
    rows.push(this.#spark);
    return rows;
  }

  /** @param {number[]} mix shares @param {string[]} groups */
  #mix(mix, groups) {
    const bar = h("div", { class: "mix" });
    mix.forEach((share, group) => {
      const part = h("i", { class: `group-${group}` });
      part.style.flexGrow = String(share);
      bar.append(part);
    });
    const largest = mix.indexOf(Math.max(...mix));
    return h("div", {}, bar, h("div", { class: "row" }, h("span", {}, "Mostly (now)"), h("b", {}, `${groups[largest]} ${percent(mix[largest])}`)));
  }

  /** @param {Point} point */
  #place({ x, y }) {
    const { width, height } = this.#view.pane;
    const { offsetWidth, offsetHeight } = this.#element;
    const left = x + 18 + offsetWidth > width ? x - 18 - offsetWidth : x + 18;
    const top = Math.min(Math.max(6, y + 14), height - offsetHeight - 6);
    this.#element.style.transform = `translate(${Math.max(4, Math.round(left))}px, ${Math.max(6, Math.round(top))}px)`;
  }

  /** The same price before and after. @param {Cell} cell */
  #drawSpark(cell) {
    const { context, width, height } = sharp(this.#spark);
    const most = Math.max(1, ...cell.series.map(({ value }) => value));
    const bar = width / SPARK_COLUMNS;
    cell.series.forEach(({ value, here }, i) => {
      context.fillStyle = here ? this.#view.theme.text : this.#view.theme.muted;
      const size = (value / most) * (height - 2);
      context.fillRect(i * bar, height - size, Math.max(1, bar - 0.6), size);
    });
  }
}

/**
 * @typedef {object} Cell
 * @property {number} price of the level
 * @property {number} step
 * @property {number} now the price now
 * @property {number} timeMs
 * @property {boolean} future
 * @property {string} missing why there is nothing to tell; empty if there is
 * @property {number} long USD
 * @property {number} short USD
 * @property {number} over USD above the surroundings
 * @property {number} distance from the price then, as a share
 * @property {number} sinceMs how long it has stood at half its size or more
 * @property {number} between USD from the price now to here
 * @property {number[] | null} mix share by leverage group, now
 * @property {[number, number]} realised long and short USD liquidated in the column
 * @property {{ value: number, here: boolean }[]} series the level's USD around that time
 */

/** @param {ChartView} view @param {Point} point @returns {Cell | null} */
export function readCell(view, { column, price }) {
  const { market } = view;
  const matrix = market?.matrix;
  if (!market || !matrix || column < matrix.first) return null;
  const future = column >= matrix.end;
  const at = Math.min(column, matrix.end - 1);
  const cells = matrix.column(at);
  const row = matrix.rowAt(price);
  if (!cells || row < 0 || row >= matrix.rows) return null;
  const usdAt = (/** @type {number} */ c) => {
    const other = matrix.column(c);
    return other ? RUNG_USD[other.long[row]] + RUNG_USD[other.short[row]] : 0;
  };
  const both = Float64Array.from(cells.long, (rung, r) => RUNG_USD[rung] + RUNG_USD[cells.short[r]]);
  const then = matrix.candle(at)?.close ?? market.now?.price ?? matrix.p0;
  const now = market.now?.price ?? then;
  const level = matrix.priceOf(row);
  return {
    price: level,
    step: matrix.step,
    now,
    timeMs: matrix.timeOf(column),
    future,
    missing: future ? "" : matrix.isGap(at) ? "no data recorded here" : matrix.isUnseen(at) ? "not loaded yet" : "",
    long: RUNG_USD[cells.long[row]],
    short: RUNG_USD[cells.short[row]],
    over: excess(both, matrix)[row],
    distance: level / then - 1,
    sinceMs: since(at, usdAt, matrix.first) * matrix.intervalMs,
    between: between(market, now, level),
    mix: future || at === matrix.end - 1 ? mixAt(market, level) : null,
    realised: view.dots?.inColumn(at) ?? [0, 0],
    series: Array.from({ length: SPARK_COLUMNS }, (_, i) => {
      const c = at - SPARK_COLUMNS / 2 + i;
      return { value: matrix.holds(c) ? usdAt(c) : 0, here: c === at };
    }),
  };
}

/** Columns back to where it last was less than half of what it is. @param {number} at @param {(column: number) => number} usdAt @param {number} first */
function since(at, usdAt, first) {
  const least = usdAt(at) / 2;
  if (!least) return 0;
  let column = at;
  while (column > first && usdAt(column - 1) >= least) column--;
  return at - column + 1;
}

/** @param {import("../data/market.js").Market} market @param {number} from @param {number} to */
function between({ now }, from, to) {
  if (!now) return 0;
  const { grid } = now;
  let total = 0;
  for (let i = 0; i < grid.long.length; i++) {
    const price = grid.p0 + i * grid.step;
    if (to > from && price > from && price <= to + grid.step / 2) total += grid.short[i];
    if (to < from && price < from && price >= to - grid.step / 2) total += grid.long[i];
  }
  return total;
}

/** @param {import("../data/market.js").Market} market @param {number} price @returns {number[] | null} */
function mixAt({ mix, mixGrid }, price) {
  if (!mix || !mixGrid) return null;
  const level = Math.round((price - mixGrid.p0) / mixGrid.step);
  const usdOf = mix.groups.map((_, group) => (mix.long[group]?.[level] ?? 0) + (mix.short[group]?.[level] ?? 0));
  const total = usdOf.reduce((a, b) => a + b, 0);
  return total > 0 ? usdOf.map((value) => value / total) : null;
}
