// @ts-check
/**
 * The levels of now, or of the time looked back to, as CSV.
 * @module
 */

import { stepDecimals } from "../data/format.js";

/**
 * @param {import("../data/market.js").Market} market
 * @returns {string} one line per level that is not empty, lowest price first
 */
export function levelsCsv({ shown, now, mix, mixGrid }) {
  if (!shown) return "";
  const { grid } = shown;
  // The mix is of now.
  const sameGrid = shown === now && mix && mixGrid && mixGrid.p0 === grid.p0 && mixGrid.step === grid.step;
  const groups = sameGrid ? mix.groups : [];
  const lines = [
    ["price", "long_usd", "short_usd", ...groups.map((name) => `${name.replaceAll(" ", "_")}_usd`)].join(","),
  ];
  for (let i = 0; i < grid.long.length; i++) {
    if (!grid.long[i] && !grid.short[i]) continue;
    const byGroup = groups.map((_, group) =>
      Math.round((mix?.long[group]?.[i] ?? 0) + (mix?.short[group]?.[i] ?? 0)),
    );
    lines.push(
      [
        (grid.p0 + i * grid.step).toFixed(stepDecimals(grid.step)),
        grid.long[i],
        grid.short[i],
        ...byGroup,
      ].join(","),
    );
  }
  return `${lines.join("\r\n")}\r\n`;
}
