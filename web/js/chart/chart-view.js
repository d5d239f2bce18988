// @ts-check
/**
 * One market's map: the chart with its candles, heat and dots, following one Market.
 * @module
 */

import { Bars } from "./bars.js";
import { ColourRange } from "./colour-range.js";
import { Gestures } from "./gestures.js";
import { HeatPrimitive } from "./heat-primitive.js";
import { PriceScaleMode } from "./chart-library.js";
import { createMapChart, mapHeight, removeChart, themeOptions } from "./chart-options.js";
import { fittedRange } from "./price-range.js";
import { readTheme } from "./theme.js";
import { TimeAxis } from "./time-axis.js";
import { Viewport } from "./viewport.js";
import { Clock } from "../data/format.js";
import { thresholdsOf } from "../state/price-range-choice.js";

/** @typedef {import("./chart-library.js").Logical} Logical */
/** @typedef {import("../data/history-codec.js").HistoryHeader} Header */
/** @typedef {import("../data/market.js").Market} Market */
/** @typedef {import("../state/view-state.js").ViewState} ViewState */
/** @typedef {{ column: number, timeMs: number, price: number, x: number, y: number }} Point */

/**
 * @typedef {object} ViewOptions
 * @property {boolean} compact one of several maps
 * @property {() => void} onMove called once per animation frame when the picture's coordinates may have
 * changed
 * @property {(patch: import("../state/view-state.js").Patch) => void} onGesture called when the viewer's own
 * gesture left the time or price range changed
 */

export class ChartView {
  /** @type {Market | null} */
  #market = null;
  /** @type {ViewState} */
  #state;
  #timeAxis;
  bars;
  #leave = () => {};
  #gestures;
  #onMove;
  #onGesture;
  #frame = 0;
  /** @type {string[]} the history in sight: interval and columns, and what part it is of; empty: none */
  #shown = [];
  heat = new HeatPrimitive();
  /** @type {import("./liquidations-primitive.js").LiquidationsPrimitive | null} */
  dots = null;
  #greyed = false;

  /**
   * @param {HTMLElement} element
   * @param {ViewState} state
   * @param {ViewOptions} options
   */
  constructor(element, state, { compact, onMove, onGesture }) {
    this.#onMove = onMove;
    this.#onGesture = onGesture;
    this.element = element;
    this.#state = state;
    this.#timeAxis = new TimeAxis(state.utc);
    this.compact = compact;
    this.theme = readTheme();
    this.chart = createMapChart(element, this.#timeAxis);
    this.bars = new Bars(this.chart, this.#timeAxis, (own) =>
      fittedRange(this.#state.fit, this.#market, own),
    );
    this.candles = this.bars.series;
    this.candles.attachPrimitive(this.heat);
    this.colours = new ColourRange(
      (table) => this.heat.setTable(table),
      () => document.hidden || matchMedia("(prefers-reduced-motion: reduce)").matches,
    );
    this.#gestures = new Gestures(element, {
      onEnd: () => this.#afterGesture(),
      onSettled: () => this.#settle(),
    });
    this.chart.timeScale().subscribeVisibleLogicalRangeChange(() => this.#moved());
    this.chart.timeScale().subscribeSizeChange(() => this.#gestures.settleSoon());
    this.viewport = new Viewport(
      this.chart,
      () => this.heat.matrix, // the one drawn: a history that just came counts its columns from elsewhere
      () => this.#timeAxis.future,
      () => this.#gestures.endSoon(),
    );
    this.applyTheme();
  }

  get market() {
    return this.#market;
  }

  get clock() {
    return this.#timeAxis.clock;
  }

  destroy() {
    this.#leave();
    this.#gestures.destroy();
    cancelAnimationFrame(this.#frame);
    this.colours.stop();
    removeChart(this.chart);
  }

  /** @param {Market} market */
  show(market) {
    this.#leave();
    this.#market = market;
    this.colours.reset();
    this.#shown = [];
    this.#leave = market.subscribe((change, column) => this.#onChange(change, column));
    if (market.matrix) this.#onChange("history", -1);
    else this.#empty();
  }

  /** @param {ViewState} state */
  apply(state) {
    const before = this.#state;
    this.#state = state;
    const changed = (/** @type {(keyof ViewState)[]} */ ...keys) =>
      keys.some((key) => state[key] !== before[key]);
    if (changed("utc")) {
      this.#timeAxis.clock = new Clock(state.utc);
      this.viewport.keepThrough(0, () => this.bars.weighTimes(this.#market));
    }
    if (changed("candles", "candleColours", "dots", "logPrice")) this.#applyStyle();
    if (changed("view", "side", "scale")) {
      this.heat.show(state.view, state.side);
      if (!state.lock) this.colours.reset();
      this.#observeNewest();
    }
    this.#setColours();
    // What was dragged a moment ago is of the window, or market, that is being left; in a grid of all maps.
    if (changed("window") || (changed("symbol") && !this.compact)) this.#gestures.forget();
    else if (changed("symbol", "grid", "markets")) this.#gestures.finish();
    if (changed("fit", "prices")) this.#fitPrices(before);
    this.#gestures.settleSoon();
  }

  #applyStyle() {
    const { dots, logPrice } = this.#state;
    this.bars.setStyle(this.#state, this.theme);
    if (this.dots) this.dots.visible = dots;
    this.chart
      .priceScale("right")
      .applyOptions({ mode: logPrice ? PriceScaleMode.Logarithmic : PriceScaleMode.Normal });
    this.heat.setStyle({ hatch: this.theme.hatch, logarithmic: logPrice });
  }

  applyTheme() {
    this.theme = readTheme();
    this.chart.applyOptions(themeOptions(this.theme));
    this.dots?.setTheme(this.theme);
    this.#applyStyle();
    this.heat.show(this.#state.view, this.#state.side);
    this.#setColours();
  }

  /** Puts liquidations on top. @param {import("./liquidations-primitive.js").LiquidationsPrimitive} dots */
  showDots(dots) {
    this.dots = dots;
    dots.scale = this.compact ? 0.65 : 1;
    dots.visible = this.#state.dots;
    this.candles.attachPrimitive(dots);
    dots.setTheme(this.theme);
    dots.setMarket(this.#market);
  }

  /**
   * Brings times into sight, if there is anything to see; a history that comes later goes by the state.
   * @param {number[]} times UTC ms of the left and right end
   */
  showTimes(times) {
    if (this.#market?.matrix) this.viewport.showTimes(times);
  }

  /**
   * @param {number} x
   * @param {number} y media px within the chart
   * @returns {Point | null}
   */
  pointAt(x, y) {
    const matrix = this.#market?.matrix;
    const logical = this.chart.timeScale().coordinateToLogical(x);
    const price = this.candles.coordinateToPrice(y);
    if (!matrix || logical === null || price === null) return null;
    const column = matrix.first + Math.round(logical);
    return { column, timeMs: matrix.timeOf(column), price, x, y };
  }

  /** @param {number} price */
  yOf(price) {
    return this.candles.priceToCoordinate(price);
  }

  /** @param {number} column */
  xOf(column) {
    const first = this.#market?.matrix?.first ?? 0;
    return this.chart.timeScale().logicalToCoordinate(/** @type {Logical} */ (column - first));
  }

  /** Puts the crosshair on a time, at the price then; null takes it away. @param {number | null} timeMs */
  pointAtTime(timeMs) {
    const matrix = this.#market?.matrix;
    const column = timeMs === null || !matrix ? -1 : matrix.columnAt(timeMs);
    const price = matrix?.candle(column)?.close;
    if (price === undefined) this.chart.clearCrosshairPosition();
    else this.chart.setCrosshairPosition(price, this.#timeAxis.secondsOf(column), this.candles);
  }

  /** Width and height of the map itself, without the axes. */
  get pane() {
    return {
      width: this.chart.timeScale().width(),
      height: mapHeight(this.chart, this.element),
    };
  }

  /**
   * Shows or hides what is drawn of the market: heat and candles, not the hatching of gaps and not the axes.
   * @param {boolean} visible
   */
  setSeriesVisible(visible) {
    this.heat.setVisible(visible);
    this.bars.setVisible(visible);
  }

  /** @param {boolean} greyed whether nothing has arrived for long: the map loses its hue */
  setGreyed(greyed) {
    this.#greyed = greyed;
    this.#setColours();
  }

  /**
   * @param {import("../data/market.js").Change} change
   * @param {number} column
   */
  #onChange(change, column) {
    const matrix = this.#market?.matrix;
    if (!matrix) return;
    if (change !== "liquidations" && change !== "mix") this.bars.drawPrice(this.#market);
    if (change === "history") this.#takeHistory();
    else if (change === "column" || change === "appended") this.#takeColumn(column, change === "appended");
    else if (change === "trimmed") this.#trimmed(column);
    else if (change === "liquidations") this.dots?.setMarket(this.#market);
    else if (change === "now") this.#setColours();
    // A history that was empty at first gave no scale to draw by.
    if (!this.colours.high) this.#observeNewest();
  }

  #takeHistory() {
    const market = /** @type {Market} */ (this.#market);
    const { interval_ms: intervalMs, columns } = /** @type {Header} */ (market.header);
    const shown = [`${intervalMs}/${columns}`, `${market.chosen}/${market.tiers}/${market.levelShare}`];
    const same = shown[0] === this.#shown[0];
    const times = same && !this.viewport.isWhole ? this.viewport.times() : this.#state.times;
    const wasFollowing = same && this.viewport.following;
    if (shown.join() !== this.#shown.join() && !this.#state.lock) this.colours.reset();
    this.#shown = shown;
    this.heat.setMatrix(market.matrix);
    this.heat.show(this.#state.view, this.#state.side);
    this.bars.show(market);
    this.dots?.setMarket(market);
    this.#observeNewest();
    this.#setColours();
    // Bar indices mean nothing in another window: without times of the viewer's choice, all of it is shown.
    if (!times.length || !this.viewport.reaches(times)) this.viewport.fitTime();
    else if (wasFollowing) this.viewport.followTimes(times);
    else this.viewport.showTimes(times);
    this.#fitPrices(null);
    this.#gestures.settleSoon();
  }

  /**
   * @param {number} column
   * @param {boolean} appended
   */
  #takeColumn(column, appended) {
    if (appended) {
      this.#timeAxis.append(column);
      this.heat.findGaps();
    }
    this.bars.update(/** @type {Market} */ (this.#market), column);
    this.heat.touch(column);
  }

  /** @param {number} gone columns */
  #trimmed(gone) {
    this.heat.forget();
    this.viewport.keepThrough(gone, () => this.bars.show(this.#market));
  }

  #empty() {
    this.heat.setMatrix(null);
    this.bars.show(null);
    this.dots?.setMarket(null);
  }

  /** @param {ViewState | null} before */
  #fitPrices(before) {
    const { fit, prices } = this.#state;
    if (fit === "free") {
      if (before?.fit !== "free" && prices.length === 2 && this.#market?.matrix) {
        this.viewport.showPrices(prices);
      }
    } else if ((before && before.fit !== fit) || this.viewport.isFree) this.viewport.freePrices();
  }

  #setColours() {
    const { palette, scale, lock } = this.#state;
    const { low, high } = thresholdsOf(this.#state, this.#market ?? { symbol: this.#state.symbol });
    const grey = Boolean(this.#market?.now?.stale) || this.#greyed;
    this.colours.set({ palette, scale, low, high, lock, light: this.theme.light, grey });
  }

  /** Before the first frame there is nothing in sight to measure: take the newest columns. */
  #observeNewest() {
    if (this.#market?.matrix) this.colours.observe(this.heat.countNewest(), { guessed: true });
  }

  #moved() {
    this.#gestures.settleSoon();
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#onMove();
    });
  }

  #settle() {
    if (this.#market?.matrix && this.heat.frames) this.colours.observe(this.heat.countVisible());
    this.#onMove();
  }

  /** The range is read now; where a change of the state ended the gesture, that goes to everybody first. */
  #afterGesture() {
    const patch = this.viewport.patch(this.#state.fit);
    queueMicrotask(() => this.#onGesture(patch));
  }
}
