// @ts-check
/**
 * The colours that canvases need, read from the style sheet so that they are said once.
 * @module
 */

/**
 * @typedef {object} Theme
 * @property {boolean} light
 * @property {string} background
 * @property {string} text
 * @property {string} muted
 * @property {string} line
 * @property {string} accent
 * @property {string} long
 * @property {string} short
 * @property {string} hatch
 * @property {string[]} groups leverage groups, lowest first
 * @property {string} font
 */

/** @returns {Theme} */
export function readTheme() {
  const root = document.documentElement;
  const style = getComputedStyle(root);
  const value = (/** @type {string} */ name) => style.getPropertyValue(`--${name}`).trim();
  return {
    light: value("scheme") === "light",
    background: value("map"),
    text: value("text"),
    muted: value("muted"),
    line: value("line"),
    accent: value("accent"),
    long: value("long"),
    short: value("short"),
    hatch: value("hatch"),
    groups: [0, 1, 2, 3, 4].map((group) => value(`group-${group}`)),
    font: value("font"),
  };
}

/** @param {import("../state/store.js").ViewState["candleColours"]} name @param {Theme} theme */
export function candleColours(name, theme) {
  const casing = theme.light ? "#1b1f27" : "#080a0f";
  if (name === "green") return { up: "#2fd08f", bareUp: "#2fd08f", down: "#ff5c6c", casing };
  // White without a casing is nothing on a light page.
  return { up: "#ffffff", bareUp: theme.light ? casing : "#ffffff", down: theme.light ? "#f57c00" : "#ff9a3c", casing };
}
