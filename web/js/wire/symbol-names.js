// @ts-check
/**
 * A market's name in any usual form to its symbol: BTC/USDT:USDT, BTC-USDT-SWAP, btc_usdt, kPEPE.
 * liqstream/client/symbol_names.py does the same in Python; tests/symbol_names.json holds both to one table.
 * @module
 */

const QUOTES = ["USDT", "USDC", "USD"];
const BEFORE = /^(?:1000000|10000|1000|1M)([A-Z][A-Z0-9]*(?:USDT|USDC|USD))$/;
const BEHIND = /^([A-Z][A-Z0-9]*[A-Z])1000(USDT|USDC|USD)$/;
const THOUSAND = /^k[A-Z0-9]{2,}$/;

/**
 * The symbol of the perpetual that a name means, its prices those of one coin: PEPEUSDT for kPEPE. A name
 * that means none (a date, a settlement in the coin) comes back in capitals; a server refuses it.
 * @param {string} name
 * @returns {string}
 */
export function symbolOf(name) {
  if (THOUSAND.test(name)) return symbolOf(`1000${name.slice(1)}USDT`);
  const text = name.normalize("NFC").toUpperCase();
  const colon = text.indexOf(":");
  const pair = colon < 0 ? text : text.slice(0, colon);
  const settled = colon < 0 ? "" : text.slice(colon + 1);
  if (!pair.endsWith(settled)) return text;
  const parts = pair.replace(/-SWAP$/, "").replace(/-PERP$/, "").split(/[-/_]/);
  const contract = parts.length === 2 && QUOTES.includes(parts[1]) ? parts.join("") : text;
  return contract.replace(BEFORE, "$1").replace(BEHIND, "$1$2");
}

/**
 * The symbols that names mean, each once, in order.
 * @param {string[]} names
 * @returns {string[]}
 */
export function symbolsOf(names) {
  return [...new Set(names.map(symbolOf))];
}
