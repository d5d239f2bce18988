// @ts-check
/**
 * One market's map: the chart with its candles, heat and dots, following one Market.
 * @module
 */

import { CandleSeriesView } from "./candle-series.js";
import { ColourKeeper } from "./colour-keeper.js";
import { HeatPrimitive } from "./heat-primitive.js";
import { createChart, CrosshairMode, LineStyle, PriceScaleMode } from "./lwc.js";
import { fittedRange } from "./price-fit.js";
import { candleColours, readTheme } from "./theme.js";
import { TimeGrid } from "./time-grid.js";
import { Viewport } from "./viewport.js";
import { Clock, priceDecimals, price as priceText } from "../data/format.js";

/** @typedef {import("../data/market.js").Market} Market */
/** @typedef {import("../state/store.js").ViewState} ViewState */
/** @typedef {{ column: number, timeMs: number, price: number, x: number, y: number }} Point */

const SETTLE_MS = 150;
/** A gesture is over once nothing of it came for so long. */
const GESTURE_MS = 250;

export class ChartView {
  /** @type {Market | null} */
  #market = null;
  /** @type {ViewState} */
  #state;
  #times;
  #candleView = new CandleSeriesView();
  #leave = () => {};
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #settling;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #gesture;
  #frame = 0;
  #pointerDown = false;
  #restored = false;
  #wish = "";
  /** @type {number[]} */
  #wantedTimes = [];
  heat = new HeatPrimitive();
  /** @type {import("./dots-primitive.js").DotsPrimitive | null} */
  dots = null;
  /** Set by the page when nothing has arrived for long. */
  greyed = false;
  /** Called once per animation frame when the picture's coordinates may have changed. */
  onMove = () => {};
  /** Called when the viewer's own gesture left the time or price range changed. @type {(patch: import("../state/store.js").Patch) => void} */
  onGesture = () => {};

  /** @param {HTMLElement} element @param {ViewState} state @param {{ compact?: boolean }} [options] */
  constructor(element, state, { compact = false } = {}) {
    this.element = element;
    this.#state = state;
    this.#times = new TimeGrid(state.utc);
    this.compact = compact;
    this.theme = readTheme();
    const { tickMarkFormatter, timeFormatter } = this.#times.formatters;
    this.chart = createChart(element, {
      autoSize: true,
      layout: { attributionLogo: false, fontSize: 11 },
      grid: { vertLines: { visible: false }, horzLines: { visible: false } },
      crosshair: { mode: CrosshairMode.Normal },
      rightPriceScale: { borderVisible: false, scaleMargins: { top: 0.02, bottom: 0.02 }, minimumWidth: 60 },
      timeScale: {
        borderVisible: false,
        minBarSpacing: 0.05,
        timeVisible: true,
        secondsVisible: false,
        allowShiftVisibleRangeOnWhitespaceReplacement: true,
        tickMarkFormatter,
      },
      localization: { timeFormatter },
      kineticScroll: { mouse: false, touch: !matchMedia("(prefers-reduced-motion: reduce)").matches },
    });
    this.#times.attach(this.chart);
    this.candles = this.chart.addCustomSeries(/** @type {any} */ (this.#candleView), {
      priceLineStyle: LineStyle.Dashed,
      priceLineWidth: 1,
      autoscaleInfoProvider: (/** @type {any} */ own) => fittedRange(this.#state.fit, this.#market, own()),
    });
    this.candles.attachPrimitive(/** @type {any} */ (this.heat));
    this.colours = new ColourKeeper((table) => this.heat.setTable(table), () => document.hidden || matchMedia("(prefers-reduced-motion: reduce)").matches);
    this.chart.timeScale().subscribeVisibleLogicalRangeChange(() => this.#moved());
    this.chart.timeScale().subscribeSizeChange(() => this.#settleSoon());
    element.addEventListener("pointerdown", () => (this.#pointerDown = true));
    addEventListener("pointerup", this.#up);
    addEventListener("pointercancel", this.#up);
    element.addEventListener("wheel", () => this.#afterGesture(), { passive: true });
    element.addEventListener("dblclick", () => this.#afterGesture());
    this.viewport = new Viewport(this.chart, () => this.#market?.matrix, () => this.#times.future);
    this.viewport.onGesture = () => this.#afterGesture();
    this.applyTheme();
  }

  get market() {
    return this.#market;
  }

  get clock() {
    return this.#times.clock;
  }

  destroy() {
    this.#leave();
    clearTimeout(this.#settling);
    clearTimeout(this.#gesture);
    cancelAnimationFrame(this.#frame);
    removeEventListener("pointerup", this.#up);
    removeEventListener("pointercancel", this.#up);
    this.chart.remove();
  }

  /** @param {Market} market */
  show(market) {
    this.#leave();
    this.#market = market;
    this.colours.reset();
    this.#restored = false;
    this.#leave = market.subscribe((change, column) => this.#follow(change, column));
    if (market.matrix) this.#follow("history", -1);
    else this.#empty();
  }

  /** @param {ViewState} state */
  apply(state) {
    const before = this.#state;
    this.#state = state;
    const changed = (/** @type {(keyof ViewState)[]} */ ...keys) => keys.some((key) => state[key] !== before[key]);
    if (changed("utc")) {
      this.#times.clock = new Clock(state.utc);
      if (this.#market?.matrix) this.#setTimes();
    }
    if (changed("candles", "candleColours", "dots", "logPrice")) this.#applyStyle();
    if (changed("view", "side", "scale")) {
      this.heat.show(state.view, state.side);
      if (!state.lock) this.colours.reset();
      this.#seeAll();
    }
    this.#setColours();
    if (changed("fit", "prices")) this.#fitPrices(before);
    this.#settleSoon();
  }

  #applyStyle() {
    const { candles, candleColours: colours, dots, logPrice } = this.#state;
    this.#candleView.visible = candles;
    this.#candleView.colours = candleColours(colours, this.theme);
    if (this.dots) this.dots.visible = dots;
    this.candles.applyOptions({ color: this.theme.light ? "#33415c" : "#c9d1e0", priceLineColor: this.theme.muted });
    this.chart.priceScale("right").applyOptions({ mode: logPrice ? PriceScaleMode.Logarithmic : PriceScaleMode.Normal });
    this.heat.setStyle({ hatch: this.theme.hatch, logarithmic: logPrice });
  }

  applyTheme() {
    this.theme = readTheme();
    const { background, muted, line, font } = this.theme;
    const label = this.theme.light ? "#3c4658" : "#2b3446";
    this.chart.applyOptions({
      layout: { background: /** @type {any} */ ({ type: "solid", color: background }), textColor: muted, fontFamily: font, panes: { separatorColor: line } },
      crosshair: { vertLine: { color: muted, labelBackgroundColor: label }, horzLine: { color: muted, labelBackgroundColor: label } },
    });
    this.dots?.setTheme(this.theme);
    this.#applyStyle();
    this.heat.show(this.#state.view, this.#state.side);
    this.#setColours();
  }

  /** What was really liquidated, on top. @param {import("./dots-primitive.js").DotsPrimitive} dots */
  showDots(dots) {
    this.dots = dots;
    dots.scale = this.compact ? 0.65 : 1;
    dots.visible = this.#state.dots;
    this.candles.attachPrimitive(/** @type {any} */ (dots));
    dots.setTheme(this.theme);
    dots.setMarket(this.#market);
  }

  /** Brings times into sight, now or once there is something to show. @param {number[]} times UTC ms of the left and right end */
  showTimes(times) {
    if (this.#market?.matrix) this.viewport.showTimes(times);
    else this.#wantedTimes = times;
  }

  /** @param {number} x @param {number} y media px within the chart @returns {Point | null} */
  pointAt(x, y) {
    const matrix = this.#market?.matrix;
    const logical = this.chart.timeScale().coordinateToLogical(x);
    const price = this.candles.coordinateToPrice(y);
    if (!matrix || logical === null || price === null) return null;
    const column = matrix.first + Math.round(logical);
    return { column, timeMs: matrix.timeOf(column), price, x, y };
  }

  /** @param {number} price @returns {number | null} */
  yOf(price) {
    return this.candles.priceToCoordinate(price);
  }

  /** @param {number} column @returns {number | null} */
  xOf(column) {
    const first = this.#market?.matrix?.first ?? 0;
    return this.chart.timeScale().logicalToCoordinate(/** @type {any} */ (column - first));
  }

  /** Puts the crosshair on a time, at the price then; null takes it away. @param {number | null} timeMs */
  pointAtTime(timeMs) {
    const matrix = this.#market?.matrix;
    const column = timeMs === null || !matrix ? -1 : matrix.columnAt(timeMs);
    const price = matrix?.candle(column)?.close;
    if (price === undefined) this.chart.clearCrosshairPosition();
    else this.chart.setCrosshairPosition(price, this.#times.secondsOf(column), this.candles);
  }

  /** Width and height of the map itself, without the axes. */
  get pane() {
    return { width: this.chart.timeScale().width(), height: Math.max(0, this.element.clientHeight - this.chart.timeScale().height()) };
  }

  /** Colours for a stale or replayed state. */
  recolour() {
    this.#setColours();
  }

  #up = () => {
    if (this.#pointerDown) this.#afterGesture();
    this.#pointerDown = false;
  };

  /** @param {import("../data/market.js").Change} change @param {number} column */
  #follow(change, column) {
    const matrix = this.#market?.matrix;
    if (!matrix) return;
    if (change === "history") this.#takeHistory();
    else if (change === "column" || change === "appended") this.#takeColumn(column, change === "appended");
    else if (change === "trimmed") this.#trimmed(column);
    else if (change === "liquidations") this.dots?.setMarket(this.#market);
    else if (change === "now") this.#setColours();
  }

  #takeHistory() {
    const market = /** @type {Market} */ (this.#market);
    const keep = this.#restored ? this.viewport.times() : this.#wantedTimes;
    const wasFollowing = this.#restored && this.viewport.following;
    this.heat.setMatrix(market.matrix);
    this.heat.show(this.#state.view, this.#state.side);
    const matrix = /** @type {import("../data/matrix.js").Matrix} */ (market.matrix);
    const size = matrix.candle(matrix.end - 1)?.close ?? matrix.p0;
    const precision = priceDecimals(size);
    const shown = size >= 10_000 ? 0 : precision; // on the axis, room is worth more than a tenth
    this.candles.applyOptions({ priceFormat: /** @type {any} */ ({ type: "custom", minMove: 10 ** -precision, formatter: (/** @type {number} */ p) => priceText(p, shown) }) });
    this.#setTimes();
    this.dots?.setMarket(market);
    this.#seeAll();
    this.#setColours();
    if (keep.length && !wasFollowing) this.viewport.showTimes(keep);
    else if (!this.#restored || !keep.length) this.viewport.fitTime();
    this.#wantedTimes = [];
    this.#restored = true;
    this.#fitPrices(null);
    this.#settleSoon();
  }

  #setTimes() {
    const { matrix, header } = /** @type {Market} */ (this.#market);
    if (!matrix) return;
    this.#times.show(matrix, header?.columns ?? 0);
    const bars = [];
    for (let c = matrix.first; c < matrix.end; c++) {
      const candle = matrix.candle(c);
      if (candle) bars.push({ time: this.#times.secondsOf(c), ...candle });
    }
    this.candles.setData(/** @type {any} */ (bars));
  }

  /** @param {number} column @param {boolean} appended */
  #takeColumn(column, appended) {
    const matrix = /** @type {import("../data/matrix.js").Matrix} */ (this.#market?.matrix);
    if (appended) {
      this.#times.append(column);
      this.heat.findGaps();
    }
    const candle = matrix.candle(column);
    const newest = column === matrix.end - 1;
    if (candle) this.candles.update(/** @type {any} */ ({ time: this.#times.secondsOf(column), ...candle }), !newest);
    this.heat.touch(column);
  }

  /** @param {number} gone columns */
  #trimmed(gone) {
    this.heat.forget();
    this.viewport.keepThrough(gone, () => this.#setTimes());
  }

  #empty() {
    this.heat.setMatrix(null);
    this.#times.show(null, 0);
    this.candles.setData([]);
    this.dots?.setMarket(null);
  }

  /** @param {ViewState | null} before */
  #fitPrices(before) {
    const { fit, prices } = this.#state;
    if (fit === "free") {
      if (before?.fit !== "free" && prices.length === 2 && this.#market?.matrix) this.viewport.showPrices(prices);
    } else if ((before && before.fit !== fit) || this.viewport.isFree) this.viewport.freePrices();
  }

  #setColours() {
    const { palette, scale, low, high, lock } = this.#state;
    const grey = Boolean(this.#market?.now?.stale) || this.greyed;
    const wish = { palette, scale, low: low ?? 0, high, lock, light: this.theme.light, grey };
    const said = Object.values(wish).join();
    if (said === this.#wish) return;
    this.#wish = said;
    this.colours.set(wish);
  }

  /** Before the first frame there is nothing in sight to measure: take the newest columns. */
  #seeAll() {
    if (this.#market?.matrix) this.colours.see(this.heat.countNewest());
  }

  #moved() {
    this.#settleSoon();
    if (this.#frame) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      this.onMove();
    });
  }

  #settleSoon() {
    clearTimeout(this.#settling);
    this.#settling = setTimeout(() => {
      if (this.#pointerDown) return this.#settleSoon();
      if (this.#market?.matrix && this.heat.frames) this.colours.see(this.heat.countVisible());
      this.onMove();
    }, SETTLE_MS);
  }

  #afterGesture() {
    clearTimeout(this.#gesture);
    this.#gesture = setTimeout(() => {
      const { isFree, isWhole } = this.viewport;
      /** @type {import("../state/store.js").Patch} */
      const patch = { times: isWhole ? [] : this.viewport.times().map(Math.round) };
      if (isFree) Object.assign(patch, { fit: "free", prices: this.viewport.prices() });
      else if (this.#state.fit === "free") Object.assign(patch, { fit: "near", prices: [] });
      this.onGesture(patch);
      this.#settleSoon();
    }, GESTURE_MS);
  }
}
