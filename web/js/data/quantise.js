// @ts-check
/**
 * Quantised USD, as the server sends them: index 0 is nothing, from index 1 on steps of 2 % from 500 USD up.
 * The page keeps indices, 16 bits a cell, and turns them into colours and figures by table.
 * @module
 */

const FLOOR_USD = 500;
const RATIO = 1.02;
/** Indices up to 1e12 USD, and room above. */
export const INDEX_COUNT = 1100;

/** USD of each index. */
export const DEQUANTISED = Float64Array.from({ length: INDEX_COUNT }, (_, index) =>
  index === 0 ? 0 : Math.round(FLOOR_USD * RATIO ** (index - 1)),
);

// A logarithm per cell would cost 20 ns; the top bits of a float32 (exponent and 11 bits of mantissa, steps
// of 0.05 %) find the nearest index in a table. It is filled an index at a time: a logarithm for each of its
// half a million entries would take 30 ms of every start.
const BITS = new Float32Array(1);
const WORD = new Uint32Array(BITS.buffer);
const SHIFT = 12;
const TABLE = new Uint16Array(1 << (32 - SHIFT - 1)).fill(INDEX_COUNT - 1);
for (let index = 0, from = 0; index < INDEX_COUNT - 1; index++) {
  const to = index === 0 ? entryOf(FLOOR_USD) : firstAbove(FLOOR_USD * RATIO ** (index - 0.5));
  TABLE.fill(index, from, to);
  from = to;
}

/**
 * @param {number} usd
 * @returns {number} the entry of the table that holds it
 */
function entryOf(usd) {
  BITS[0] = usd;
  return WORD[0] >>> SHIFT;
}

/**
 * @param {number} usd
 * @returns {number} the first entry whose middle is not below it
 */
function firstAbove(usd) {
  BITS[0] = usd;
  return (WORD[0] + (1 << (SHIFT - 1)) - 1) >>> SHIFT;
}

/**
 * @param {number} usd not negative
 * @returns {number} the nearest index, 0 below the floor
 */
export function quantise(usd) {
  if (usd < FLOOR_USD) return 0;
  return TABLE[entryOf(usd)];
}
