// @ts-check
/**
 * A market's name in any usual form to its symbol: BTC/USDT:USDT, BTC-USDT-SWAP, btc_usdt, kPEPE.
 * liqstream/client/symbol_names.py does the same in Python; tests/symbol_names.json holds both to one table.
 * @module
 */

const QUOTES = ["USDT", "USDC", "USD"];
const BEFORE = /^(?:1000000|10000|1000|1M)([A-Z][A-Z0-9]*(?:USDT|USDC|USD))$/;
const BEHIND = /^([A-Z][A-Z0-9]*[A-Z])1000(USDT|USDC|USD)$/;
const THOUSAND = /^k([A-Z0-9]{2,})([-/_.:].*)?$/s;
const MARKED = /^(?:[A-Z0-9]+:)?(.+(?:USDT|USDC))(?:[-_]?PERP|[-_]SWAP|\.P|_UMCBL)$/s;

/**
 * The symbol of the perpetual that a name means, its prices those of one coin: PEPEUSDT for kPEPE. A name
 * that means none (a date, a settlement in the coin) comes back in capitals; a server refuses it.
 * @param {string} name
 * @returns {string}
 */
export function symbolOf(name) {
  let text = name.normalize("NFKC");
  const [, coin, rest] = THOUSAND.exec(text) ?? [];
  if (coin !== undefined) {
    const quoted = rest || QUOTES.some((quote) => coin.endsWith(quote));
    text = quoted ? `1000${text.slice(1)}` : `1000${coin}USDT`;
  }
  text = text.toUpperCase();
  const marked = MARKED.exec(text);
  const [pair, ...settled] = (marked?.[1] ?? text).split(":");
  if (!pair.endsWith(settled.join(":"))) return text;
  const parts = pair.replace(/-SWAP$/, "").replace(/-PERP$/, "").split(/[-/_]/);
  const isPair = parts.length === 2 && QUOTES.includes(parts[1]);
  const contract = isPair || (parts.length === 1 && marked) ? parts.join("") : text;
  return BEFORE.test(contract) ? contract.replace(BEFORE, "$1") : contract.replace(BEHIND, "$1$2");
}

/**
 * The symbols that names mean, each once, in order.
 * @param {string[]} names
 * @returns {string[]}
 */
export function symbolsOf(names) {
  return [...new Set(names.map(symbolOf))];
}
