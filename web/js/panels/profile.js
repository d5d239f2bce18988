// @ts-check
/**
 * The map of now beside the price axis and on its scale: the level at each price, stacked by leverage, and
 * what would be liquidated in all on the way there. Where its prices end an edge is drawn: beyond it the map
 * may show levels of the past, of which nothing is known now.
 * @module
 */

import { sumToPrice } from "../data/clusters.js";
import { percent, usd } from "../data/format.js";
import { hatchPattern } from "../chart/hatch.js";
import { h, put, sharp } from "./dom.js";

/** @typedef {import("../chart/chart-view.js").ChartView} ChartView */

const BEYOND = "beyond the range";
/** How far from the price, as shares of it, the sum on the way is written. */
const FIGURES_AT = [0.01, 0.02, 0.05];
/** Narrower, as on a phone, there is no room for figures; totals has them. */
const LEAST_WIDTH = 100;
/** What is new is drawn when there is nothing else to do, at the latest after this long. */
const LATEST_MS = 400;
const FIGURE_PX = 14;

export class Profile {
  #view;
  #canvas = h("canvas", {
    role: "img",
    "aria-label": "Liquidation levels now by price, stacked by estimated leverage",
  });
  #head = h("div", { class: "profile-head" });
  /** @type {number | null} */
  #crosshairY = null;
  #frame = 0;
  /** Of what waits for an idle moment; 0: nothing does. */
  #idle = 0;
  /** Whether more than the map's place may have changed since it was drawn. */
  #changed = true;
  /** The prices in sight and the size that it was drawn for. */
  #placed = "";
  #scale = 0;
  /** Px at the top and at the bottom that are beyond the levels now. */
  beyond = { above: 0, below: 0 };
  #when = h("span", {}, "Now", h("span", { class: "part" }, ", by leverage"));
  /** @type {{ share: number, usd: number }[]} sums that are written: how far from the price, and USD */
  figures = [];

  /**
   * @param {HTMLElement} element
   * @param {ChartView} view
   */
  constructor(element, view) {
    this.#view = view;
    put(element, this.#canvas, this.#head);
    const line = (/** @type {string} */ name, /** @type {string} */ more, /** @type {string} */ scale) =>
      h("div", {}, h("span", {}, name, h("span", { class: "part" }, more)), h("span", { class: scale }));
    this.#head.append(
      h("div", {}, this.#when, h("span", { class: "profile-max" })),
      line("Sum", " from the price", "profile-sum"),
    );
    new ResizeObserver(() => this.request()).observe(element);
  }

  /** @param {number | null} y media px */
  setCrosshair(y) {
    if (y === this.#crosshairY) return;
    this.#crosshairY = y;
    this.#changed = true;
    this.follow();
  }

  /** Its figures, or its size, may be others: a map that is dragged meanwhile goes first. */
  request() {
    this.#changed = true;
    this.#idle ||= whenIdle(() => {
      this.#idle = 0;
      this.follow();
    });
  }

  /** The map moved: it is drawn anew if the prices in sight are others, not along the time axis. */
  follow() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      const { viewport, pane } = this.#view;
      const placed = [...viewport.prices(), pane.height].join();
      if ((!this.#changed || this.#idle) && placed === this.#placed) return;
      this.#changed = false;
      this.#placed = placed;
      this.#draw();
    });
  }

  #draw() {
    const { market, theme } = this.#view;
    const { context, width } = sharp(this.#canvas);
    const now = market?.shown;
    if (!market?.matrix || !now) {
      // Without a history the axis has no prices: every level would be at the top.
      this.#writeScales("", "");
      this.#scale = 0;
      return;
    }
    const { height } = this.#view.pane;
    const { mixGrid } = market;
    const mix = market.at === null ? market.mix : null; // nobody kept the leverages of then
    const bars =
      mix && mixGrid
        ? this.#bars(
            mixGrid,
            mix.long[0].length,
            (level) => mix.groups.map((_, group) => mix.long[group][level] + mix.short[group][level]),
            height,
          )
        : this.#bars(
            now.grid,
            now.grid.long.length,
            (level) => [0, 0, now.grid.long[level] + now.grid.short[level], 0, 0],
            height,
          );
    const peak = Math.max(1, ...bars.map((bar) => bar.total));
    // The bars' scale holds still like the colours do.
    if (!this.#scale || peak > this.#scale || peak < 0.7 * this.#scale) this.#scale = peak * 1.08;
    const full = width - 10;
    context.save();
    context.beginPath();
    context.rect(0, 0, width, height); // below it is the heading, beside the time axis
    context.clip();
    for (const { y, thick, groups } of bars) {
      let x = 0;
      groups.forEach((value, group) => {
        const length = (value / this.#scale) * full;
        context.fillStyle = theme.groups[group];
        context.fillRect(x, y, length, thick);
        x += length;
      });
    }
    const most = Math.max(1, sum(now.grid.long), sum(now.grid.short));
    this.#curves(context, now, { full, height, most });
    this.#edges(context, now.grid, width, height);
    this.#lines(context, now.price, width, height);
    this.#figures(context, now, width, height);
    context.restore();
    this.#writeScales(usd(this.#scale), usd(most));
    const when = market.at === null ? ["Now", h("span", { class: "part" }, ", by leverage")] : ["Then"];
    if (this.#when.textContent?.startsWith(String(when[0])) !== true) put(this.#when, ...when);
  }

  /**
   * One bar per level, or per pixel with the largest level in it when levels outnumber pixels.
   * @param {{ p0: number, step: number }} grid
   * @param {number} rows
   * @param {(level: number) => number[]} groupsOf USD by leverage group
   * @param {number} height
   */
  #bars(grid, rows, groupsOf, height) {
    /** @type {Map<number, { y: number, thick: number, total: number, groups: number[] }>} */
    const bars = new Map();
    // Where the device's pixels are no part of the page's, as zoomed to 125 %, bars would have seams.
    const fine = Number.isInteger(devicePixelRatio) ? 1 : devicePixelRatio;
    const whole = (/** @type {number} */ px) => Math.round(px * fine) / fine;
    for (let level = 0; level < rows; level++) {
      const price = grid.p0 + level * grid.step;
      const groups = groupsOf(level);
      const total = sum(groups);
      const top = this.#view.yOf(price + grid.step / 2);
      const bottom = this.#view.yOf(price - grid.step / 2);
      if (!total || top === null || bottom === null || bottom < 0 || top > height) continue;
      const y = whole(top);
      const held = bars.get(y);
      if (held && held.total >= total) continue;
      bars.set(y, {
        y,
        thick: Math.max(1 / fine, whole(bottom) - y - (bottom - top > 3 ? 1 / fine : 0)),
        total,
        groups,
      });
    }
    return [...bars.values()];
  }

  /**
   * Hatches what lies beyond the prices of which the levels now are known.
   * @param {CanvasRenderingContext2D} context
   * @param {import("../data/market.js").Grid} grid
   * @param {number} width
   * @param {number} height
   */
  #edges(context, grid, width, height) {
    const { theme } = this.#view;
    const top = this.#view.yOf(grid.p0 + (grid.long.length - 0.5) * grid.step);
    const bottom = this.#view.yOf(grid.p0 - 0.5 * grid.step);
    if (top === null || bottom === null) return;
    this.beyond = {
      above: Math.max(0, Math.min(height, top)),
      below: Math.max(0, height - Math.max(0, bottom)),
    };
    const parts = [
      { y: 0, size: this.beyond.above, edge: top },
      { y: height - this.beyond.below, size: this.beyond.below, edge: bottom },
    ];
    for (const { y, size, edge } of parts) {
      if (size < 1) continue;
      context.fillStyle = hatchPattern(context, theme.hatch, 7);
      context.fillRect(0, y, width, size);
      context.strokeStyle = theme.muted;
      context.lineWidth = 1;
      line(context, edge, width);
      if (size < 18) continue;
      context.font = `400 11px ${theme.font}`;
      context.textBaseline = "middle";
      context.fillStyle = theme.background;
      const { width: text } = context.measureText(BEYOND);
      if (text > width - 12) continue;
      const at = edge === top ? edge - 10 : edge + 10;
      context.fillRect(4, at - 8, text + 8, 16);
      context.fillStyle = theme.muted;
      context.fillText(BEYOND, 8, at);
    }
  }

  /**
   * The sum of the levels between the price and there: shorts upwards, longs downwards.
   * @param {CanvasRenderingContext2D} context
   * @param {import("../data/market.js").Now} now
   * @param {{ full: number, height: number, most: number }} scale px of `most` USD, px of the map
   */
  #curves(context, { grid, price }, { full, height, most }) {
    const at = Math.min(grid.long.length - 1, Math.max(0, Math.round((price - grid.p0) / grid.step)));
    for (const side of /** @type {const} */ (["short", "long"])) {
      context.beginPath();
      context.strokeStyle = this.#view.theme[side];
      context.lineWidth = 1.5;
      let total = 0;
      context.moveTo(0, this.#view.yOf(price) ?? 0);
      for (let level = at; level >= 0 && level < grid.long.length; level += side === "short" ? 1 : -1) {
        total += grid[side][level];
        const y = this.#view.yOf(grid.p0 + level * grid.step) ?? 0;
        if (y < -20 || y > height + 20) break;
        context.lineTo((total / most) * full, y);
      }
      context.stroke();
    }
  }

  /**
   * The sums at round distances from the price, where they are in sight and do not cover each other.
   * @param {CanvasRenderingContext2D} context
   * @param {import("../data/market.js").Now} now
   * @param {number} width
   * @param {number} height
   */
  #figures(context, { grid, price }, width, height) {
    this.figures = [];
    if (width < LEAST_WIDTH) return;
    const { theme } = this.#view;
    context.font = `500 10.5px ${theme.font}`;
    context.textBaseline = "middle";
    for (const way of [1, -1]) {
      let before = this.#view.yOf(price) ?? 0;
      for (const share of FIGURES_AT) {
        const y = this.#view.yOf(price * (1 + way * share)) ?? -1;
        const { usd: total, isBeyond } = sumToPrice(grid, price, price * (1 + way * share));
        if (isBeyond || y < FIGURE_PX / 2 || y > height - FIGURE_PX / 2) break;
        if (Math.abs(y - before) < FIGURE_PX) continue;
        before = y;
        this.figures.push({ share: way * share, usd: total });
        const text = `${way > 0 ? "+" : "−"}${percent(share)}  ${usd(total)}`;
        const left = width - context.measureText(text).width - 6;
        context.globalAlpha = 0.82;
        context.fillStyle = theme.background;
        context.fillRect(left - 4, y - FIGURE_PX / 2, width - left + 4, FIGURE_PX);
        context.globalAlpha = 1;
        context.fillStyle = way > 0 ? theme.short : theme.long;
        context.fillText(text, left, y);
      }
    }
  }

  /**
   * USD of a full bar, and of the sum at full width.
   * @param {string} bars
   * @param {string} sums
   */
  #writeScales(bars, sums) {
    for (const [at, text] of [bars, sums].entries()) {
      /** @type {HTMLElement} */ (this.#head.children[at].lastChild).textContent = text;
    }
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {number} price
   * @param {number} width
   * @param {number} height
   */
  #lines(context, price, width, height) {
    const { theme } = this.#view;
    const y = this.#view.yOf(price);
    context.lineWidth = 1;
    if (y !== null && y > 0 && y < height) {
      context.strokeStyle = theme.text;
      context.setLineDash([2, 3]);
      line(context, y, width);
    }
    if (this.#crosshairY !== null && this.#crosshairY < height) {
      context.strokeStyle = theme.muted;
      context.setLineDash([5, 4]);
      line(context, this.#crosshairY, width);
    }
    context.setLineDash([]);
  }
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {number} y
 * @param {number} width
 */
function line(context, y, width) {
  context.beginPath();
  context.moveTo(0, Math.round(y) + 0.5);
  context.lineTo(width, Math.round(y) + 0.5);
  context.stroke();
}

/** @param {() => void} run @returns {number} never 0 */
function whenIdle(run) {
  if ("requestIdleCallback" in globalThis) return requestIdleCallback(run, { timeout: LATEST_MS });
  return Number(setTimeout(run, 0)); // Safari has none
}

/** @param {ArrayLike<number>} values */
function sum(values) {
  let total = 0;
  for (let i = 0; i < values.length; i++) total += values[i];
  return total;
}
