// @ts-check
/**
 * Where a time is on the screen, between bars and beyond them too.
 * @module
 */

/** @typedef {import("./chart-library.js").Logical} Logical */

/**
 * @param {import("./chart-library.js").SeriesAttachedParameter["chart"]} chart
 * @param {import("../data/history-matrix.js").HistoryMatrix} matrix whose columns the chart shows
 * @returns {((ms: number) => number) | null} the x of the middle of the bar that begins then, media px; null:
 * the chart is empty
 */
export function timeToX(chart, matrix) {
  const origin = chart.timeScale().logicalToCoordinate(/** @type {Logical} */ (0));
  if (origin === null) return null;
  const spacing = chart.timeScale().options().barSpacing;
  return (ms) => origin + ((ms - matrix.t0) / matrix.intervalMs - matrix.first) * spacing;
}
