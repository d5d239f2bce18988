// @ts-check
/**
 * The one place that names the charting library: lightweight-charts (TradingView, Apache-2.0), served
 * from our own origin. web/build.mjs leaves out of the library what is not named here.
 * @module
 */

/** @typedef {import("../../vendor/lightweight-charts.mjs").IChartApi} IChartApi */
/** @typedef {import("../../vendor/lightweight-charts.mjs").Time} Time */
/** @typedef {import("../../vendor/lightweight-charts.mjs").UTCTimestamp} UTCTimestamp */
/** @typedef {import("../../vendor/lightweight-charts.mjs").InternalHorzScaleItem} HorzScaleItem */
/** @typedef {import("../../vendor/lightweight-charts.mjs").Logical} Logical */
/** @typedef {import("../../vendor/lightweight-charts.mjs").AutoscaleInfo} AutoscaleInfo */
/** @typedef {import("../../vendor/lightweight-charts.mjs").MouseEventParams} MouseEventParams */
/**
 * @typedef {import("../../vendor/lightweight-charts.mjs").SeriesAttachedParameter} SeriesAttachedParameter
 */
/** @typedef {import("../../vendor/lightweight-charts.mjs").IPrimitivePaneRenderer} IPrimitivePaneRenderer */
/** @typedef {import("../../vendor/lightweight-charts.mjs").CustomData<Time>} CustomData */
/**
 * @typedef {import("../../vendor/lightweight-charts.mjs").CustomSeriesWhitespaceData<Time>} WhitespaceData
 */
/** @typedef {ReturnType<IChartApi["addSeries"]>} Series */
/** @typedef {Parameters<IPrimitivePaneRenderer["draw"]>[0]} RenderingTarget */
/** @typedef {Parameters<Parameters<RenderingTarget["useBitmapCoordinateSpace"]>[0]>[0]} RenderingScope */
/**
 * @template {CustomData} T
 * @typedef {import("../../vendor/lightweight-charts.mjs").PaneRendererCustomData<Time, T>} RendererData
 */

export {
  ColorType,
  createChartEx,
  CrosshairMode,
  customSeriesDefaultOptions,
  defaultHorzScaleBehavior,
  LineSeries,
  LineStyle,
  PriceScaleMode,
  TickMarkType,
} from "../../vendor/lightweight-charts.mjs";
