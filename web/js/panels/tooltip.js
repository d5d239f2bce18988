// @ts-check
/**
 * The cell under the crosshair in two groups, what it was then and what is there now: USD, distance, age;
 * what lies between, leverage; and the same price before and after.
 * @module
 */

import { chanceToReach, leading, openHorizons } from "../data/chance.js";
import { excess, sumToPrice } from "../data/clusters.js";
import { DEQUANTISED } from "../data/quantise.js";
import {
  chanceText,
  duration,
  leverageText,
  percent,
  price as priceText,
  signedPercent,
  stepDecimals,
  usd,
} from "../data/format.js";
import { h, put, sharp } from "./dom.js";
import { largestRows } from "./measured-note.js";

/** @typedef {import("../chart/chart-view.js").ChartView} ChartView */
/** @typedef {import("../chart/chart-view.js").Point} Point */

const SPARK_COLUMNS = 60;
const BEYOND = "Beyond the model's range";
const CARRIED_FORWARD = "Current levels, carried forward";

export class Tooltip {
  #view;
  #element = h("div", { class: "tooltip", role: "tooltip", hidden: true });
  #spark = h("canvas", { class: "spark" });
  /** @type {Point | null} where it was shown last */
  #point = null;

  /**
   * @param {HTMLElement} parent
   * @param {ChartView} view
   */
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
    this.#point = point;
    const cell = readCell(this.#view, point);
    if (!cell) return this.hide();
    put(this.#element, ...this.#rows(cell));
    this.#element.hidden = false;
    this.#place(point);
    if (!cell.missing) this.#drawSpark(cell);
  }

  #showAgain() {
    if (this.#point && !this.#element.hidden) this.show(this.#point);
  }

  /**
   * @param {Cell} cell
   * @returns {import("./dom.js").Child[]}
   */
  #rows(cell) {
    const { clock, market } = this.#view;
    const head = h("div", { class: "head" }, priceText(cell.price, stepDecimals(cell.step)));
    const time = clock.format(cell.timeMs, "full");
    if (cell.missing) return [head, ...[time, cell.missing].map((text) => h("div", { class: "when" }, text))];
    const then = [
      ...sides(cell.long, cell.short),
      row("Above local average", usd(cell.over)),
      cell.sinceMs > 0 && row("Age", duration(cell.sinceMs)),
      ...liquidated(cell.realised),
    ];
    const now = [
      cell.between !== null &&
        row(
          `Cumulative ${cell.price > cell.now ? "short" : "long"} liquidations to this price`,
          cell.between < 0 ? "beyond the range" : usd(cell.between),
        ),
      cell.chance && row(`Chance in ${cell.chance.within}`, chanceText(cell.chance.value)),
      cell.mix && mixRow(cell.mix, market?.mix?.groups ?? []),
      ...largestRows(market, cell.price, cell.step, () => this.#showAgain()),
    ];
    const away = signedPercent(cell.price / cell.now - 1);
    if (cell.standing) {
      return [
        head,
        group(`At ${time}`, signedPercent(cell.distance)),
        ...then,
        group("Now", away),
        ...sides(...cell.standing),
        ...now,
        this.#spark,
      ];
    }
    const when = cell.future && h("div", { class: "when" }, CARRIED_FORWARD);
    return [head, group("Now", away), when, ...then, ...now, this.#spark];
  }

  /** @param {Point} point */
  #place({ x, y }) {
    const { width, height } = this.#view.pane;
    const { offsetWidth, offsetHeight } = this.#element;
    const left = x + 18 + offsetWidth > width ? x - 18 - offsetWidth : x + 18;
    const top = Math.min(Math.max(6, y + 14), height - offsetHeight - 6);
    const [x0, y0] = [Math.max(4, Math.round(left)), Math.max(6, Math.round(top))];
    this.#element.style.transform = `translate(${x0}px, ${y0}px)`;
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
 * @param {string} name
 * @param {...import("./dom.js").Child} value
 */
function row(name, ...value) {
  return h("div", { class: "row" }, h("span", {}, name), h("b", {}, ...value));
}

/**
 * @param {string} name
 * @param {string} distance from the price at that time
 */
function group(name, distance) {
  return h("div", { class: "row group" }, h("b", {}, name), h("span", {}, distance));
}

/**
 * @param {number} long USD
 * @param {number} short USD
 */
function sides(long, short) {
  if (!long && !short) return [row("Level", "none")];
  return [
    long > 0 && row("Long", h("i", { class: "key long" }), usd(long)),
    short > 0 && row("Short", h("i", { class: "key short" }), usd(short)),
  ];
}

/** @param {[number, number]} realised long and short USD */
function liquidated([long, short]) {
  return long || short ? [row("Liquidations", `${usd(long)} longs · ${usd(short)} shorts`)] : [];
}

/**
 * @param {number[]} mix shares
 * @param {string[]} groups
 */
function mixRow(mix, groups) {
  const bar = h("div", { class: "mix" });
  mix.forEach((share, at) => {
    const part = h("i", { class: `group-${at}` });
    part.style.flexGrow = String(share);
    bar.append(part);
  });
  const largest = mix.indexOf(Math.max(...mix));
  const text = `${leverageText(groups, largest)} (${percent(mix[largest])})`;
  return h("div", {}, bar, row("Main leverage now", text));
}

/**
 * @typedef {object} Cell
 * @property {number} price of the level
 * @property {number} step
 * @property {number} now the price now
 * @property {number} timeMs
 * @property {boolean} future
 * @property {string} missing why there is nothing to show; empty if there is
 * @property {number} long USD
 * @property {number} short USD
 * @property {number} over USD above the local average
 * @property {number} distance from the price then, as a share
 * @property {number} sinceMs its age: how long it has been at half its size or more
 * @property {[number, number] | null} standing long and short USD at this price now; null: the cell itself is
 * of now
 * @property {number | null} between USD from the price now to here; -1: farther than the levels now are
 * known, null: none
 * @property {{ value: number, within: string } | null} chance that the price gets there from now on
 * @property {number[] | null} mix share by leverage group, now
 * @property {[number, number]} realised long and short USD liquidated in the column
 * @property {{ value: number, here: boolean }[]} series the level's USD around that time
 */

/**
 * @param {ChartView} view
 * @param {Point} point
 * @returns {Cell | null}
 */
function readCell(view, { column, price }) {
  const { market } = view;
  const matrix = market?.matrix;
  if (!market || !matrix || column < matrix.first) return null;
  const future = column >= matrix.end;
  const at = Math.min(column, matrix.end - 1);
  const cells = matrix.column(at);
  const row = matrix.rowAt(price);
  if (!cells) return null;
  const usdAt = (/** @type {number} */ c) => {
    const other = matrix.column(c);
    return other ? DEQUANTISED[other.long[row]] + DEQUANTISED[other.short[row]] : 0;
  };
  const newest = matrix.column(matrix.end - 1);
  const ofNow = at === matrix.end - 1 || !newest;
  const both = Float64Array.from(cells.long, (index, r) => DEQUANTISED[index] + DEQUANTISED[cells.short[r]]);
  const then = matrix.candle(at)?.close ?? market.now?.price ?? matrix.p0;
  const now = market.now?.price ?? then;
  const level = matrix.priceOf(row);
  return {
    price: level,
    step: matrix.step,
    now,
    timeMs: matrix.timeOf(column),
    future,
    missing: row < 0 || row >= matrix.rows ? BEYOND : future ? "" : missingIn(matrix, at),
    long: DEQUANTISED[cells.long[row]],
    short: DEQUANTISED[cells.short[row]],
    over: excess(both, matrix)[row],
    distance: level / then - 1,
    sinceMs: since(at, usdAt, matrix.first) * matrix.intervalMs,
    standing: ofNow ? null : [DEQUANTISED[newest.long[row]], DEQUANTISED[newest.short[row]]],
    between: between(market, now, level),
    chance: chanceAt(market, level),
    mix: mixAt(market, level),
    realised: view.dots?.inColumn(at) ?? [0, 0],
    series: Array.from({ length: SPARK_COLUMNS }, (_, i) => {
      const c = at - SPARK_COLUMNS / 2 + i;
      return { value: matrix.holds(c) ? usdAt(c) : 0, here: c === at };
    }),
  };
}

/**
 * @param {import("../data/history-matrix.js").HistoryMatrix} matrix
 * @param {number} column
 * @returns {string} empty: nothing is
 */
function missingIn(matrix, column) {
  if (matrix.isGap(column)) return "No data recorded here";
  return matrix.isUnseen(column) ? "Not loaded yet" : "";
}

/**
 * Columns back to where it last was less than half of what it is.
 * @param {number} at
 * @param {(column: number) => number} usdAt
 * @param {number} first
 */
function since(at, usdAt, first) {
  const least = usdAt(at) / 2;
  if (!least) return 0;
  let column = at;
  while (column > first && usdAt(column - 1) >= least) column--;
  return at - column + 1;
}

/**
 * @param {import("../data/market.js").Market} market
 * @param {number} from
 * @param {number} to
 * @returns {number | null} USD; -1: the levels now do not reach that far; null: nothing between
 */
function between({ now }, from, to) {
  if (!now) return null;
  const { usd: total, isBeyond } = sumToPrice(now.grid, from, to);
  return isBeyond ? -1 : total || null;
}

/**
 * @param {import("../data/market.js").Market} market
 * @param {number} price
 * @returns {{ value: number, within: string } | null} none where the map is of then, or nothing is forecast
 */
function chanceAt({ at, now, forecast }, price) {
  const lead = now && at === null ? leading(openHorizons(forecast, now.timeMs)) : undefined;
  const value = now && lead ? chanceToReach(lead.horizon, price, now.price) : null;
  return lead && value !== null ? { value, within: lead.short } : null;
}

/**
 * @param {import("../data/market.js").Market} market
 * @param {number} price
 * @returns {number[] | null}
 */
function mixAt({ mix, mixGrid }, price) {
  if (!mix || !mixGrid) return null;
  const level = Math.round((price - mixGrid.p0) / mixGrid.step);
  const usdOf = mix.groups.map(
    (_, group) => (mix.long[group]?.[level] ?? 0) + (mix.short[group]?.[level] ?? 0),
  );
  const total = usdOf.reduce((a, b) => a + b, 0);
  return total > 0 ? usdOf.map((value) => value / total) : null;
}
