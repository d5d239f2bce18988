// @ts-check
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { PALETTES } from "../../web/js/chart/palettes.js";
import { difference, lab, rgb } from "./ciede2000.js";

/** @typedef {import("./ciede2000.js").Triple} Triple */

const CSS = readFileSync(new URL("../../web/css/page.css", import.meta.url), "utf8");

/**
 * @param {"dark" | "light"} theme
 * @param {string} name of a custom property
 * @returns {string} its colour
 */
function colour(theme, name) {
  const block = theme === "dark" ? /:root \{([^}]*)\}/ : /:root\[data-theme="light"\] \{([^}]*)\}/;
  const found = new RegExp(`--${name}: (#[0-9a-f]{6});`).exec(block.exec(CSS)?.[1] ?? "");
  assert.ok(found, `${theme} ${name}`);
  return found[1];
}

/**
 * @param {string} hex
 * @param {import("../../web/js/chart/palettes.js").PaletteName} name
 * @returns {number} to the nearest colour of the palette
 */
function toPalette(hex, name) {
  const palette = PALETTES[name];
  const at = lab(rgb(hex));
  let least = Infinity;
  for (let i = 0; i < 768; i += 3) least = Math.min(least, difference(at, lab([palette[i], palette[i + 1], palette[i + 2]])));
  return least;
}

/**
 * @param {string} one
 * @param {string} other
 * @param {{ deuteranopia?: boolean }} [options]
 */
function apart(one, other, options) {
  return difference(lab(rgb(one), options), lab(rgb(other), options));
}

const palettes = /** @type {const} */ (["viridis", "magma"]);

for (const theme of /** @type {const} */ (["dark", "light"])) {
  const groups = [0, 1, 2, 3, 4].map((group) => colour(theme, `group-${group}`));
  const sides = ["long", "short"].map((side) => colour(theme, side));

  test(`${theme}: leverage is one hue in five steps of lightness, and no colour of the heat`, () => {
    const labs = groups.map((hex) => lab(rgb(hex)));
    const hues = labs.map(([, a, b]) => (Math.atan2(b, a) * 180) / Math.PI);
    assert.ok(Math.max(...hues) - Math.min(...hues) < 15, `hues ${hues}`);
    for (let i = 1; i < labs.length; i++) assert.ok(labs[i][0] - labs[i - 1][0] >= 8, `step ${i}`);
    groups.forEach((hex, i) => {
      for (const name of palettes) assert.ok(toPalette(hex, name) >= (i ? 20 : 10), `${hex} is ${toPalette(hex, name)} from ${name}`);
    });
  });

  test(`${theme}: longs and shorts are colours of neither palette, of no leverage step, and far apart`, () => {
    for (const side of sides) {
      for (const name of palettes) assert.ok(toPalette(side, name) >= 20, `${side} is ${toPalette(side, name)} from ${name}`);
      for (const group of groups) assert.ok(apart(side, group) >= 15, `${side} is ${apart(side, group)} from ${group}`);
    }
    assert.ok(apart(sides[0], sides[1]) >= 25);
    assert.ok(apart(sides[0], sides[1], { deuteranopia: true }) >= 25, String(apart(sides[0], sides[1], { deuteranopia: true })));
  });
}

test("the difference is CIEDE2000: the published pairs", () => {
  /** @type {[Triple, Triple, number][]} */
  const pairs = [
    [[50, 2.6772, -79.7751], [50, 0, -82.7485], 2.0425],
    [[50, -1, 2], [50, 0, 0], 2.3669],
    [[50, 2.49, -0.001], [50, -2.49, 0.0011], 7.2195],
    [[60.2574, -34.0099, 36.2677], [60.4626, -34.1751, 39.4387], 1.2644],
    [[90.9257, -0.5406, -0.9208], [88.6381, -0.8985, -0.7239], 1.5381],
    [[6.7747, -0.2908, -2.4247], [5.8714, -0.0985, -2.2286], 0.6377],
  ];
  for (const [one, other, expected] of pairs) assert.ok(Math.abs(difference(one, other) - expected) < 1e-4, `${one} ${other}`);
});

test("a deuteranope tells blue from yellow, and not red from the green of its lightness", () => {
  assert.ok(apart("#0000ff", "#ffff00", { deuteranopia: true }) > 60);
  assert.ok(apart("#a83232", "#5c6400") > 35);
  assert.ok(apart("#a83232", "#5c6400", { deuteranopia: true }) < 20);
});
