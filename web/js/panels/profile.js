// @ts-check
/**
 * The map of now beside the price axis and on its scale: what stands at each price, stacked by leverage,
 * and what would be liquidated in all on the way there.
 * @module
 */

import { usd } from "../data/format.js";
import { h, put, sharp } from "./dom.js";

/** @typedef {import("../chart/chart-view.js").ChartView} ChartView */

const HEAD_PX = 20;

export class Profile {
  #view;
  #canvas = h("canvas", { role: "img", "aria-label": "USD standing by price, stacked by leverage" });
  #head = h("div", { class: "profile-head" });
  /** @type {number | null} */
  #crosshairY = null;
  #frame = 0;
  #scale = 0;

  /** @param {HTMLElement} element @param {ChartView} view */
  constructor(element, view) {
    this.#view = view;
    put(element, this.#canvas, this.#head);
    this.#head.append(h("span", {}, "Now, by leverage"), h("span", { class: "profile-max" }));
    new ResizeObserver(() => this.request()).observe(element);
  }

  /** @param {number | null} y media px */
  setCrosshair(y) {
    this.#crosshairY = y;
    this.request();
  }

  request() {
    if (!this.#frame) this.#frame = requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    this.#frame = 0;
    const { market, theme } = this.#view;
    const { context, width } = sharp(this.#canvas);
    const now = market?.now;
    if (!market || !now) return;
    const { height } = this.#view.pane;
    const { mix, mixGrid } = market;
    const bars = mix && mixGrid
      ? this.#bars(mixGrid, mix.long[0].length, (level) => mix.groups.map((_, group) => mix.long[group][level] + mix.short[group][level]), height)
      : this.#bars(now.grid, now.grid.long.length, (level) => [0, 0, now.grid.long[level] + now.grid.short[level], 0, 0], height);
    const peak = Math.max(1, ...bars.map((bar) => bar.total));
    // The bars' scale holds still like the colours do.
    if (!this.#scale || peak > this.#scale || peak < 0.7 * this.#scale) this.#scale = peak * 1.08;
    const full = width - 10;
    for (const { y, thick, groups } of bars) {
      let x = 0;
      groups.forEach((value, group) => {
        const length = (value / this.#scale) * full;
        context.fillStyle = theme.groups[group];
        context.fillRect(x, y, length, thick);
        x += length;
      });
    }
    this.#curves(context, now.grid, now.price, full, height);
    this.#lines(context, now.price, width, height);
    /** @type {HTMLElement} */ (this.#head.lastChild).textContent = usd(this.#scale);
  }

  /**
   * One bar per level, or per pixel with the largest level in it when levels outnumber pixels.
   * @param {{ p0: number, step: number }} grid @param {number} rows @param {(level: number) => number[]} groupsOf USD by leverage group @param {number} height
   */
  #bars(grid, rows, groupsOf, height) {
    /** @type {Map<number, { y: number, thick: number, total: number, groups: number[] }>} */
    const bars = new Map();
    for (let level = 0; level < rows; level++) {
      const price = grid.p0 + level * grid.step;
      const groups = groupsOf(level);
      const total = sum(groups);
      const top = this.#view.yOf(price + grid.step / 2);
      const bottom = this.#view.yOf(price - grid.step / 2);
      if (!total || top === null || bottom === null || bottom < 0 || top > height) continue;
      const y = Math.round(top);
      const held = bars.get(y);
      if (held && held.total >= total) continue;
      bars.set(y, { y, thick: Math.max(1, Math.round(bottom) - y - (bottom - top > 3 ? 1 : 0)), total, groups });
    }
    return [...bars.values()];
  }

  /** What stands between the price and there: shorts upwards, longs downwards. @param {CanvasRenderingContext2D} context @param {import("../data/market.js").Grid} grid @param {number} price @param {number} full @param {number} height */
  #curves(context, grid, price, full, height) {
    const at = Math.min(grid.long.length - 1, Math.max(0, Math.round((price - grid.p0) / grid.step)));
    const most = Math.max(1, sum(grid.long), sum(grid.short));
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

  /** @param {CanvasRenderingContext2D} context @param {number} price @param {number} width @param {number} height */
  #lines(context, price, width, height) {
    const { theme } = this.#view;
    const y = this.#view.yOf(price);
    context.lineWidth = 1;
    if (y !== null && y > HEAD_PX - 8 && y < height) {
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

/** @param {CanvasRenderingContext2D} context @param {number} y @param {number} width */
function line(context, y, width) {
  context.beginPath();
  context.moveTo(0, Math.round(y) + 0.5);
  context.lineTo(width, Math.round(y) + 0.5);
  context.stroke();
}

/** @param {ArrayLike<number>} values */
function sum(values) {
  let total = 0;
  for (let i = 0; i < values.length; i++) total += values[i];
  return total;
}
