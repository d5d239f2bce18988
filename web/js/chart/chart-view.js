// @ts-check
/**
 * One market's map: the chart, its time grid, candles, heat and dots, following one Market.
 *
 * Columns of the matrix and logical indices of the chart are the same thing (less the first column held):
 * a hidden series holds every column's time, also of gaps and of the future, so nothing can shift.
 * @module
 */

import { CandleSeriesView } from "./candle-series.js";
import { ColourKeeper } from "./colour-keeper.js";
import { HeatPrimitive } from "./heat-primitive.js";
import { createChart, CrosshairMode, LineSeries, LineStyle, PriceScaleMode, TickMarkType } from "./lwc.js";
import { candleColours, readTheme } from "./theme.js";
import { Clock, priceDecimals, price as priceText } from "../data/format.js";

/** @typedef {import("../data/market.js").Market} Market */
/** @typedef {import("../state/store.js").ViewState} ViewState */
/** @typedef {{ column: number, timeMs: number, price: number, x: number, y: number }} Point */

/** Columns of future, as a share of the window: room for today's bands to reach into. */
const FUTURE = 0.07;
/** Share of the live grid's half range that "near" shows around the price. */
const NEAR = 0.42;
const SETTLE_MS = 150;

export class ChartView {
  /** @type {Market | null} */
  #market = null;
  /** @type {ViewState} */
  #state;
  #clock;
  #offsetS = 0;
  #candleView = new CandleSeriesView();
  #leave = () => {};
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #settling;
  #pointerDown = false;
  #restored = false;
  /** @type {number[]} */
  #wantedTimes = [];
  heat = new HeatPrimitive();
  /** @type {import("./dots-primitive.js").DotsPrimitive | null} */
  dots = null;

  /** @param {HTMLElement} element @param {ViewState} state @param {{ compact?: boolean }} [options] */
  constructor(element, state, { compact = false } = {}) {
    this.element = element;
    this.#state = state;
    this.#clock = new Clock(state.utc);
    this.compact = compact;
    this.theme = readTheme();
    this.chart = createChart(element, {
      autoSize: true,
      layout: { attributionLogo: false, fontSize: 11 },
      grid: { vertLines: { visible: false }, horzLines: { visible: false } },
      crosshair: { mode: CrosshairMode.Normal },
      rightPriceScale: { borderVisible: false, scaleMargins: { top: 0.02, bottom: 0.02 }, minimumWidth: compact ? 48 : 58 },
      timeScale: {
        borderVisible: false,
        minBarSpacing: 0.05,
        timeVisible: true,
        secondsVisible: false,
        allowShiftVisibleRangeOnWhitespaceReplacement: true,
        tickMarkFormatter: (/** @type {any} */ time, /** @type {any} */ type) => this.#tick(time, type),
      },
      localization: { timeFormatter: (/** @type {any} */ time) => this.#clock.format(this.#ms(time), "full") },
      kineticScroll: { mouse: false, touch: !matchMedia("(prefers-reduced-motion: reduce)").matches },
    });
    const quiet = { lastValueVisible: false, priceLineVisible: false, crosshairMarkerVisible: false };
    this.grid = this.chart.addSeries(LineSeries, { ...quiet, priceScaleId: "grid" }); // an axis of its own: it has no prices
    this.candles = this.chart.addCustomSeries(/** @type {any} */ (this.#candleView), {
      priceLineStyle: LineStyle.Dashed,
      priceLineWidth: 1,
      autoscaleInfoProvider: (/** @type {any} */ own) => this.#priceRange(own),
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
    /** Called once per animation frame when the picture's coordinates may have changed. */
    this.onMove = () => {};
    /** Called when the viewer's own gesture left the time or price range changed. @type {(patch: import("../state/store.js").Patch) => void} */
    this.onGesture = () => {};
    this.applyTheme();
  }

  get market() {
    return this.#market;
  }

  get clock() {
    return this.#clock;
  }

  destroy() {
    this.#leave();
    clearTimeout(this.#settling);
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
      this.#clock = new Clock(state.utc);
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

  /** Whether newest columns are in sight, so that the view goes along with them. */
  get following() {
    const range = this.chart.timeScale().getVisibleLogicalRange();
    const matrix = this.#market?.matrix;
    return !range || !matrix || range.to >= matrix.end - matrix.first - 1.5;
  }

  /** The newest columns at the right, at the zoom there is. */
  goLive() {
    const range = this.chart.timeScale().getVisibleLogicalRange();
    const matrix = this.#market?.matrix;
    if (!range || !matrix) return;
    const to = matrix.end - matrix.first - 0.5 + Math.min(this.#futureColumns(), (range.to - range.from) * FUTURE);
    this.chart.timeScale().setVisibleLogicalRange({ from: to - (range.to - range.from), to });
    this.#afterGesture();
  }

  /** The whole window in sight. */
  fitTime() {
    const matrix = this.#market?.matrix;
    if (!matrix) return;
    const to = matrix.end - matrix.first - 1 + this.#futureColumns();
    this.chart.timeScale().setVisibleLogicalRange({ from: -0.5, to: Math.max(10, to) + 0.5 });
  }

  /** @returns {number[]} UTC ms of the left and right end */
  visibleTimes() {
    const range = this.chart.timeScale().getVisibleLogicalRange();
    const matrix = this.#market?.matrix;
    if (!range || !matrix) return [];
    return [range.from, range.to].map((index) => matrix.timeOf(matrix.first + index));
  }

  /** @param {number[]} times UTC ms */
  showTimes([from, to]) {
    const matrix = this.#market?.matrix;
    if (!matrix) {
      this.#wantedTimes = [from, to];
      return;
    }
    const index = (/** @type {number} */ ms) => (ms - matrix.t0) / matrix.intervalMs - matrix.first;
    this.chart.timeScale().setVisibleLogicalRange({ from: index(from), to: index(to) });
  }

  /** @returns {number[]} lowest and highest price in sight */
  visiblePrices() {
    const range = this.chart.priceScale("right").getVisibleRange();
    return range ? [range.from, range.to] : [];
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
    else this.chart.setCrosshairPosition(price, this.#seconds(column), this.candles);
  }

  /** Moves by a share of what is in sight: sideways in time, upwards in price. @param {number} across @param {number} up */
  pan(across, up) {
    const range = this.chart.timeScale().getVisibleLogicalRange();
    if (range && across) {
      const by = (range.to - range.from) * across;
      this.chart.timeScale().setVisibleLogicalRange({ from: range.from + by, to: range.to + by });
    }
    const [low, high] = this.visiblePrices();
    if (up && high) this.chart.priceScale("right").setVisibleRange({ from: low + (high - low) * up, to: high + (high - low) * up });
    this.#afterGesture();
  }

  /** @param {number} factor below 1 zooms in @param {{ price?: boolean }} [axis] */
  zoom(factor, { price = false } = {}) {
    if (price) {
      const [low, high] = this.visiblePrices();
      const middle = this.#market?.now?.price ?? (low + high) / 2;
      if (high) this.chart.priceScale("right").setVisibleRange({ from: middle - (middle - low) * factor, to: middle + (high - middle) * factor });
    } else {
      const range = this.chart.timeScale().getVisibleLogicalRange();
      const anchor = range && (this.following ? range.to : (range.from + range.to) / 2);
      if (range && anchor !== null) this.chart.timeScale().setVisibleLogicalRange({ from: anchor - (anchor - range.from) * factor, to: anchor + (range.to - anchor) * factor });
    }
    this.#afterGesture();
  }

  /** Brings a price into sight. @param {number} price */
  showPrice(price) {
    const [low, high] = this.visiblePrices();
    if (!high || (price > low && price < high)) return;
    const margin = (high - low) * 0.08;
    this.chart.priceScale("right").setVisibleRange({ from: Math.min(low, price - margin), to: Math.max(high, price + margin) });
    this.#afterGesture();
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
    const keep = this.#restored ? this.visibleTimes() : this.#wantedTimes;
    const wasFollowing = this.#restored && this.following;
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
    if (keep.length && !wasFollowing) this.showTimes(keep);
    else if (!this.#restored || !keep.length) this.fitTime();
    this.#wantedTimes = [];
    this.#restored = true;
    this.#fitPrices(null);
    this.#settleSoon();
  }

  #setTimes() {
    const matrix = /** @type {import("../data/matrix.js").Matrix} */ (this.#market?.matrix);
    this.#offsetS = this.#clock.offsetMs(matrix.timeOf(matrix.end)) / 1000;
    const times = [];
    for (let c = matrix.first; c < matrix.end + this.#futureColumns(); c++) times.push({ time: this.#seconds(c) });
    this.grid.setData(times);
    const bars = [];
    for (let c = matrix.first; c < matrix.end; c++) {
      const candle = matrix.candle(c);
      if (candle) bars.push({ time: this.#seconds(c), ...candle });
    }
    this.candles.setData(/** @type {any} */ (bars));
  }

  /** @param {number} column @param {boolean} appended */
  #takeColumn(column, appended) {
    const matrix = /** @type {import("../data/matrix.js").Matrix} */ (this.#market?.matrix);
    if (appended) {
      this.grid.update(/** @type {any} */ ({ time: this.#seconds(column + this.#futureColumns() - 1) }));
      this.heat.findGaps();
    }
    const candle = matrix.candle(column);
    const newest = column === matrix.end - 1;
    if (candle) this.candles.update(/** @type {any} */ ({ time: this.#seconds(column), ...candle }), !newest);
    this.heat.touch(column);
  }

  /** @param {number} gone columns */
  #trimmed(gone) {
    const range = this.chart.timeScale().getVisibleLogicalRange();
    this.heat.forget();
    this.#setTimes();
    if (range) this.chart.timeScale().setVisibleLogicalRange({ from: range.from - gone, to: range.to - gone });
  }

  #empty() {
    this.heat.setMatrix(null);
    this.grid.setData([]);
    this.candles.setData([]);
    this.dots?.setMarket(null);
  }

  #futureColumns() {
    return Math.max(6, Math.round((this.#market?.header?.columns ?? 0) * FUTURE));
  }

  /** @param {number} column @returns {any} */
  #seconds(column) {
    return /** @type {import("../data/matrix.js").Matrix} */ (this.#market?.matrix).timeOf(column) / 1000 + this.#offsetS;
  }

  /** @param {any} time of the chart @returns {number} UTC ms */
  #ms(time) {
    return (time - this.#offsetS) * 1000;
  }

  /** @param {any} time @param {any} type */
  #tick(time, type) {
    const forms = /** @type {const} */ ({
      [TickMarkType.Year]: "year",
      [TickMarkType.Month]: "month",
      [TickMarkType.DayOfMonth]: "day",
      [TickMarkType.Time]: "minute",
      [TickMarkType.TimeWithSeconds]: "second",
    });
    return this.#clock.format(this.#ms(time), forms[/** @type {keyof typeof forms} */ (type)]);
  }

  /** The range the price axis takes by itself. @param {() => any} own the candles' */
  #priceRange(own) {
    const info = own();
    const matrix = this.#market?.matrix;
    if (!matrix || this.#state.fit === "candles") return info;
    if (this.#state.fit === "map") return { priceRange: { minValue: matrix.bottom, maxValue: matrix.top } };
    const price = this.#market?.now?.price ?? matrix.candle(matrix.end - 1)?.close;
    const range = info?.priceRange;
    if (!price) return info;
    const reach = this.#reach(price);
    return {
      priceRange: {
        minValue: Math.min(range?.minValue ?? price, price * (1 - reach)),
        maxValue: Math.max(range?.maxValue ?? price, price * (1 + reach)),
      },
    };
  }

  /** How far around the price "near" looks; the live grid's width follows volatility. @param {number} price */
  #reach(price) {
    const grid = this.#market?.now?.grid;
    const half = grid ? (grid.step * grid.long.length) / 2 / price : 0.1;
    // In steps of 1 %, or the axis would breathe with every tick.
    return Math.max(0.01, Math.round(NEAR * half * 100) / 100);
  }

  /** @param {ViewState | null} before */
  #fitPrices(before) {
    const { fit, prices } = this.#state;
    const scale = this.chart.priceScale("right");
    if (fit === "free") {
      if ((!before || before.fit !== "free") && prices.length === 2 && this.#market?.matrix) scale.setVisibleRange({ from: prices[0], to: prices[1] });
    } else if (before?.fit !== fit || !scale.options().autoScale) scale.setAutoScale(true);
  }

  #setColours() {
    const { palette, scale, low, high, lock } = this.#state;
    const grey = Boolean(this.#market?.now?.stale) || this.greyed;
    const wish = { palette, scale, low: low ?? 0, high, lock, light: this.theme.light, grey };
    if (JSON.stringify(wish) === this.#wish) return;
    this.#wish = JSON.stringify(wish);
    this.colours.set(wish);
  }
  #wish = "";
  /** Set by the page when nothing has arrived for long. */
  greyed = false;

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
  #frame = 0;

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
      const free = !this.chart.priceScale("right").options().autoScale;
      const prices = free ? this.visiblePrices() : [];
      /** @type {import("../state/store.js").Patch} */
      const patch = { times: this.#isWholeWindow() ? [] : this.visibleTimes().map(Math.round) };
      if (free) Object.assign(patch, { fit: "free", prices });
      else if (this.#state.fit === "free") Object.assign(patch, { fit: "near", prices: [] });
      this.onGesture(patch);
      this.#settleSoon();
    }, 250);
  }
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #gesture;

  #isWholeWindow() {
    const range = this.chart.timeScale().getVisibleLogicalRange();
    const matrix = this.#market?.matrix;
    if (!range || !matrix) return true;
    const columns = matrix.end - matrix.first;
    return Math.abs(range.from) < 0.02 * columns + 1 && this.following;
  }
}
