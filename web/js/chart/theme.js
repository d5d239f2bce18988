// @ts-check
/**
 * The colours that canvases need, read from the style sheet so that they are written once.
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

/**
 * @param {import("../state/view-state.js").ViewState["candleColours"]} name
 * @param {Theme} theme
 */
export function candleColours(name, theme) {
  const casing = theme.light ? "#1b1f27" : "#080a0f";
  if (name === "green") return { up: "#2fd08f", down: "#ff5c6c", casing };
  // On a light page white bodies look empty: dark ones, in a light casing for the dark end of the palette.
  if (theme.light) return { up: "#1b1f27", down: "#f57c00", casing: "#ffffff" };
  return { up: "#ffffff", down: "#ff9a3c", casing };
}
