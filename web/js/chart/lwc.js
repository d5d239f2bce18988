// @ts-check
/**
 * The one place that names the charting library: lightweight-charts (TradingView, Apache-2.0), as npm
 * delivers it, served from our own origin.
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
} from "../../vendor/lightweight-charts.standalone.production.mjs";
