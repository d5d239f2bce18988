// @ts-check
/** Differences between colours as people see them: CIE L*a*b* (D65), CIEDE2000, and what a deuteranope sees. */

/** @typedef {[number, number, number]} Triple */

const WHITE = /** @type {const} */ ([0.95047, 1, 1.08883]);
/** Linear sRGB as a deuteranope sees it: Machado, Oliveira and Fernandes (2009), severity 1. */
const DEUTERANOPIA = [
  [0.367322, 0.860646, -0.227968],
  [0.280085, 0.672501, 0.047413],
  [-0.01182, 0.04294, 0.968881],
];
const rad = (/** @type {number} */ degrees) => (degrees * Math.PI) / 180;

/** @param {string} hex #rrggbb @returns {Triple} */
export function rgb(hex) {
  return /** @type {Triple} */ ([1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)));
}

/**
 * @param {Triple} colour sRGB, 0..255
 * @param {{ deuteranopia?: boolean }} [options]
 * @returns {Triple} L*, a*, b*
 */
export function lab(colour, { deuteranopia = false } = {}) {
  let linear = colour.map((byte) => (byte / 255 <= 0.04045 ? byte / 255 / 12.92 : ((byte / 255 + 0.055) / 1.055) ** 2.4));
  if (deuteranopia) linear = DEUTERANOPIA.map((row) => Math.min(1, Math.max(0, row.reduce((sum, m, i) => sum + m * linear[i], 0))));
  const [r, g, b] = linear;
  const xyz = [0.4124564 * r + 0.3575761 * g + 0.1804375 * b, 0.2126729 * r + 0.7151522 * g + 0.072175 * b, 0.0193339 * r + 0.119192 * g + 0.9503041 * b];
  const [x, y, z] = xyz.map((value, i) => value / WHITE[i]).map((t) => (t > 216 / 24389 ? Math.cbrt(t) : ((24389 / 27) * t + 16) / 116));
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}

/**
 * CIEDE2000 (Sharma, Wu and Dalal 2005).
 * @param {Triple} one L*, a*, b*
 * @param {Triple} other
 */
export function difference([l1, a1, b1], [l2, a2, b2]) {
  const chroma = (Math.hypot(a1, b1) + Math.hypot(a2, b2)) / 2;
  const g = 0.5 * (1 - Math.sqrt(chroma ** 7 / (chroma ** 7 + 25 ** 7)));
  const [p1, p2] = [(1 + g) * a1, (1 + g) * a2];
  const [c1, c2] = [Math.hypot(p1, b1), Math.hypot(p2, b2)];
  const hue = (/** @type {number} */ a, /** @type {number} */ b) => (a || b ? ((Math.atan2(b, a) * 180) / Math.PI + 360) % 360 : 0);
  const [h1, h2] = [hue(p1, b1), hue(p2, b2)];
  const grey = c1 * c2 === 0;
  const turn = h2 - h1 > 180 ? -360 : h2 - h1 < -180 ? 360 : 0;
  const [dl, dc, dh] = [l2 - l1, c2 - c1, grey ? 0 : 2 * Math.sqrt(c1 * c2) * Math.sin(rad((h2 - h1 + turn) / 2))];
  const [l, c] = [(l1 + l2) / 2, (c1 + c2) / 2];
  const h = grey ? h1 + h2 : Math.abs(h1 - h2) <= 180 ? (h1 + h2) / 2 : (h1 + h2 + (h1 + h2 < 360 ? 360 : -360)) / 2;
  const t = 1 - 0.17 * Math.cos(rad(h - 30)) + 0.24 * Math.cos(rad(2 * h)) + 0.32 * Math.cos(rad(3 * h + 6)) - 0.2 * Math.cos(rad(4 * h - 63));
  const [sl, sc, sh] = [1 + (0.015 * (l - 50) ** 2) / Math.sqrt(20 + (l - 50) ** 2), 1 + 0.045 * c, 1 + 0.015 * c * t];
  const rotation = -Math.sin(rad(60 * Math.exp(-(((h - 275) / 25) ** 2)))) * 2 * Math.sqrt(c ** 7 / (c ** 7 + 25 ** 7));
  return Math.sqrt((dl / sl) ** 2 + (dc / sc) ** 2 + (dh / sh) ** 2 + (rotation * dc * dh) / (sc * sh));
}
