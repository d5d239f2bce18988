// @ts-check
/**
 * The one place that names the charting library: lightweight-charts (TradingView, Apache-2.0), served
 * from our own origin. web/build.mjs leaves out of the library what is not named here.
 * @module
 */

export {
  createChart,
  CrosshairMode,
  customSeriesDefaultOptions,
  LineSeries,
  LineStyle,
  PriceScaleMode,
  TickMarkType,
} from "../../vendor/lightweight-charts.mjs";
