// @ts-check
/**
 * The two palettes, exact: 256 RGB triples each, perceptually even and readable to colour-blind people.
 * Both are CC0 (https://github.com/BIDS/colormap). They come with the first picture, so they are written in
 * few bytes: the first colour, then for red, green and blue how much each of the next has more than the one
 * before it, as a letter: c is as much, b one less, d one more.
 * @module
 */

/** @typedef {"viridis" | "magma"} PaletteName */

const AS_MUCH = "c".charCodeAt(0);

/**
 * @param {number} first colour, 0xrrggbb
 * @param {string[]} steps of red, green and blue
 * @returns {Uint8Array} 256 * 3 bytes: r, g, b
 */
function bytes(first, steps) {
  const out = new Uint8Array(768);
  steps.forEach((letters, part) => {
    out[part] = first >> (8 * (2 - part)); // a byte keeps the lowest eight bits
    for (let i = 0; i < letters.length; i++) {
      out[3 * i + 3 + part] = out[3 * i + part] + letters.charCodeAt(i) - AS_MUCH;
    }
  });
  return out;
}

/** @type {Record<PaletteName, Uint8Array>} */
export const PALETTES = {
  viridis: bytes(
    0x440154,
    [
      "cdcdcccdccccdccccccccccccccccbccccbcccbccbccbcbccbcbcbcbccbcbcbcbcbcbcbcbcbcbcbcbcbccbcbcbccbcbc" +
      "cbcbccbccbcbccbccbccbcbccbccbcccbccbccccccbccdcccccdcdcdcdddcdddddedddededededeedeeeeeeeeeeeeeee" +
      "efeeefeefeefefefefefefeffefeffeffeffeffeffeffeffefeffefefefeefe",
      "dedededededededdedddeddedddeddeddddedddeddddedddddeddddddeddddddddddedddddddddddddddddddddddddcd" +
      "ddddddddddddddddcddddddddddddddddcdddddddddddddddcddddddddddddcdddddddddcddddddcdddddcddddcdddcd" +
      "ddcddcdddcdcddcddcdcdcdcdcdcdcdcdcdccdccdcdccdccdccdccdcccdccdc",
      "edededdededdedddedddddedddddddcddddcdddcddcdcdcdcdcdccdccdcccdcccdcccccdccccccccdccccccccccccccc" +
      "ccccccccccccccccccccccccbccccccbccccbcccbccbccbccbcbcbccbbcbcbcbbcbbbcbbbcbbbbbbbbbbbbbbbbbbabbb" +
      "abbabbabbabababaababaabaabaabaaabaaababaabbabbbbcbccdcdddddedee",
    ],
  ),
  magma: bytes(
    0x000004,
    [
      "dccdccdcdddcddddddddeddddddeddeddeddedeededeeedeedeeedeedeedeededeededededeededededeededededeede" +
      "deededeededeededeedeedeededeedeedeededeededeedededededededdedddedddddddddddcddcddcdcdcdccdccdccd" +
      "ccccdcccccdccccccccccccccccccccccccccccccccbcccccccccbccccccccc",
      "cdccdcdcdcdcddcddcddcddcdcdcdccdccccdccbcccccbcccbccccccdcccdcdcdcddcdcddcddcddcdcddcddcdcdcddcd" +
      "cdcddcdcdcdcdcdcdcdcdcddcdcdcdcdcddcdcddcddcddcdddddcdddddeddddeddeddedeedeedeeedeeeeeedeeeeeeee" +
      "deeeeeeeedeeeeeeedeeeeeedeeeeedeeeeedeeeeedeeeeedeeeedeeeeedeee",
      "ddedeeefeeeeeeeeeefeeeefeefeefefeefefefeefeeeeeedeeddeddddcdddcdcdcdccdccdccccdccccccccccdccccbc" +
      "cccccccccbccccbcccbccbccbcbccbcbcbcbcbbcbbcbbcbbcbbbcbbbbcbbbbcbbcbbcbbccbcbccccccccccdccdcdcddc" +
      "ddddddddddddddedddeddeddededededeededeedeedeeedeeeedeeeeeeedeee",
    ],
  ),
};
