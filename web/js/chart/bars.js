// @ts-check
/**
 * The candles of a map on its time axis, and the line at the price now.
 * @module
 */

import { CandleSeriesView } from "./candle-series.js";
import { LineStyle } from "./chart-library.js";
import { priceFormat, priceLineOptions } from "./chart-options.js";
import { candleColours } from "./theme.js";

/** @typedef {import("../data/market.js").Market} Market */
/** @typedef {import("./chart-library.js").AutoscaleInfo} AutoscaleInfo */

export class Bars {
  #timeAxis;
  #candleView = new CandleSeriesView();
  /** At the price now: the library's own is at the last bar in sight, which scrolled back is an old price. */
  #priceLine;
  /**
   * What else is on the time axis: dropped before other columns come, and drawn once they are there, for the
   * chart counts the times of all series.
   * @type {{ clear: () => void, draw: () => void } | null}
   */
  beside = null;
  #wanted = true;
  #visible = true;

  /**
   * @param {import("./chart-library.js").IChartApi} chart
   * @param {import("./time-axis.js").TimeAxis} timeAxis
   * @param {(own: AutoscaleInfo | null) => AutoscaleInfo | null} fitted the price range, from that of the
   * candles
   */
  constructor(chart, timeAxis, fitted) {
    this.#timeAxis = timeAxis;
    this.series = chart.addCustomSeries(this.#candleView, {
      priceLineVisible: false,
      lastValueVisible: false,
      autoscaleInfoProvider: (/** @type {() => AutoscaleInfo | null} */ own) => fitted(own()),
    });
    this.#priceLine = this.series.createPriceLine({ price: 0, lineStyle: LineStyle.Dashed, lineWidth: 1 });
  }

  /** @param {Market | null} market whose history is shown; null: none */
  show(market) {
    this.beside?.clear();
    this.#timeAxis.show(market?.matrix ?? null, market?.header?.columns ?? 0);
    this.series.setData(this.#timeAxis.bars());
    const matrix = market?.matrix;
    if (matrix) {
      const size = matrix.candle(matrix.end - 1)?.close ?? matrix.p0;
      this.series.applyOptions({ priceFormat: priceFormat(size) });
    }
    this.drawPrice(market);
    if (market) this.beside?.draw();
  }

  /**
   * The chart weighs a time's tick mark when it first sees it: for another clock it must see all anew.
   * @param {Market | null} market
   */
  weighTimes(market) {
    this.show(null);
    this.show(market);
  }

  /**
   * @param {Market} market
   * @param {number} column that is new or has changed
   */
  update(market, column) {
    const matrix = market.matrix;
    const candle = matrix?.candle(column);
    const older = column !== (matrix?.end ?? 0) - 1;
    if (candle) this.series.update({ time: this.#timeAxis.secondsOf(column), ...candle }, older);
  }

  /** @param {Market | null} market */
  drawPrice(market) {
    const { matrix, now } = market ?? {};
    const price = now?.price ?? matrix?.candle(matrix.end - 1)?.close;
    const shown = price !== undefined;
    this.#priceLine.applyOptions({ price: price ?? 0, lineVisible: shown, axisLabelVisible: shown });
  }

  /**
   * @param {Pick<import("../state/view-state.js").ViewState, "candles" | "candleColours">} state
   * @param {import("./theme.js").Theme} theme
   */
  setStyle({ candles, candleColours: colours }, theme) {
    this.#wanted = candles;
    this.#candleView.colours = candleColours(colours, theme);
    this.#priceLine.applyOptions(priceLineOptions(theme));
    this.#draw();
  }

  /** @param {boolean} visible whatever the viewer's choice */
  setVisible(visible) {
    this.#visible = visible;
    this.#draw();
  }

  #draw() {
    this.#candleView.visible = this.#wanted && this.#visible;
    this.series.applyOptions({}); // nothing else asks for a drawing
  }
}
