// @ts-check
/**
 * How good the map is, on this server's own data: its rank correlation with what was really liquidated,
 * beside what naive methods reach.
 * @module
 */

import { duration } from "../data/format.js";
import { h, put } from "./dom.js";

/** @type {[string, string][]} */
const BASELINES = [
  ["uniform_range", "uniform × range"],
  ["uniform", "uniform"],
  ["excursion", "excursion"],
  ["extreme", "24 h extreme"],
  ["one_sided", "one-sided"],
];

/** @param {HTMLElement} element @param {any} score of /api/score, or null @param {string} error why there is none */
export function showScore(element, score, error) {
  const title = h("h2", {}, "Accuracy", h("span", {}, score ? "rank correlation" : ""));
  if (!score) return put(element, title, h("p", { class: "quiet" }, error || "Being worked out. It needs liquidations that really happened."));
  const mean = (/** @type {(side: any) => number | null | undefined} */ read) => {
    const values = [read(score.sides?.long), read(score.sides?.short)].filter((value) => typeof value === "number");
    return values.length ? values.reduce((a, b) => a + b, 0) / values.length : null;
  };
  const rows = [
    scoreRow("this map", mean((side) => side?.model?.spearman), "model"),
    scoreRow("map only", mean((side) => side?.map_only?.spearman), "map-only"),
    ...BASELINES.map(([key, name]) => scoreRow(name, mean((side) => side?.baselines?.[key]?.spearman), "")),
  ];
  const span = Date.parse(score.to) - Date.parse(score.from);
  const gain = mean((side) => side?.gain_over_uniform?.spearman);
  const low = mean((side) => side?.gain_over_uniform?.ci?.[0]);
  const calibration = mean((side) => side?.model?.calibration);
  put(
    element,
    title,
    h("table", {}, h("tbody", {}, ...rows.filter((row) => row !== null))),
    h(
      "p",
      { class: "quiet" },
      `${score.exchange}, ${score.n} intervals of ${score.interval}, ${duration(span)}. `,
      gain !== null && `Gain over uniform ${signed(gain)}${low === null ? "" : low > 0 ? ", beyond chance" : ", within chance"}. `,
      calibration !== null && `Amounts ×${calibration.toFixed(2)} of what came.`,
    ),
    ...(score.warnings ?? []).map((/** @type {unknown} */ warning) => h("p", { class: "flag" }, String(warning))),
  );
}

/** @param {string} name @param {number | null} value @param {string} kind */
function scoreRow(name, value, kind) {
  if (value === null) return null;
  const bar = h("i", { class: kind });
  bar.style.width = `calc((100% - 48px) * ${Math.max(0, Math.min(1, value))})`; // the rest is the figure's
  return h("tr", { class: kind }, h("th", { scope: "row" }, name), h("td", { class: "amount" }, bar, h("b", {}, value.toFixed(2))));
}

/** @param {number} value */
function signed(value) {
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(3)}`;
}
