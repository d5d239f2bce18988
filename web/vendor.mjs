// Copies what the page serves of lightweight-charts out of node_modules into vendor/, with compressed
// siblings (.br, .gz) so that a server never has to compress the largest file at run time.
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const from = fileURLToPath(new URL("./node_modules/lightweight-charts/", import.meta.url));
const to = fileURLToPath(new URL("./vendor/", import.meta.url));
const module = "lightweight-charts.standalone.production.mjs";

// The package ships no NOTICE file; this is the text of the one in its repository, which its licence asks
// every page that uses it to show.
const NOTICE = "TradingView Lightweight Charts\nCopyright (c) 2023 TradingView, Inc. https://www.tradingview.com/\n";

mkdirSync(to, { recursive: true });
copyFileSync(`${from}dist/${module}`, to + module);
copyFileSync(`${from}dist/typings.d.ts`, to + module.replace(".mjs", ".d.mts"));
copyFileSync(`${from}LICENSE`, `${to}lightweight-charts.LICENSE.txt`);
writeFileSync(`${to}lightweight-charts.NOTICE.txt`, NOTICE);
const code = readFileSync(to + module);
writeFileSync(`${to}${module}.gz`, gzipSync(code, { level: 9 }));
writeFileSync(`${to}${module}.br`, brotliCompressSync(code, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: code.length } }));
