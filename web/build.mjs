// Prepares what the page is served with, out of node_modules and the sources beside this file:
//   vendor/  lightweight-charts, cut down to what js/chart/lwc.js names
//   built/   every module and style sheet without its comments and long names, one file each
// Both with brotli siblings (.br), so that a server never compresses a large file at run time.
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants } from "node:zlib";
import { build, transform } from "esbuild";

const web = fileURLToPath(new URL("./", import.meta.url));
const library = join(web, "node_modules/lightweight-charts");
const vendor = join(web, "vendor");
const built = join(web, "built");
const MODULE = "lightweight-charts.mjs";
const BROWSERS = "es2022";

// The package ships no NOTICE file; this is the text of the one in its repository, which its licence asks
// every page that uses it to show.
const NOTICE = "TradingView Lightweight Charts\nCopyright (c) 2023 TradingView, Inc. https://www.tradingview.com/\n";
// Section 4 b of that licence: a changed file says so.
const CHANGED = "/* Changed for liqstream: parts that its page does not use are left out. */";

/** @param {string} path @param {string | Uint8Array} content */
function write(path, content) {
  mkdirSync(dirname(path), { recursive: true });
  const bytes = Buffer.from(content);
  writeFileSync(path, bytes);
  writeFileSync(`${path}.br`, brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } }));
}

async function vendorLibrary() {
  rmSync(vendor, { recursive: true, force: true });
  const { outputFiles } = await build({
    entryPoints: [join(web, "js/chart/lwc.js")],
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    target: BROWSERS,
    banner: { js: CHANGED },
    plugins: [
      {
        name: "library",
        setup: ({ onResolve }) => onResolve({ filter: /vendor/ }, () => ({ path: join(library, "dist/lightweight-charts.standalone.production.mjs") })),
      },
    ],
  });
  write(join(vendor, MODULE), outputFiles[0].contents);
  copyFileSync(join(library, "dist/typings.d.ts"), join(vendor, MODULE.replace(".mjs", ".d.mts")));
  copyFileSync(join(library, "LICENSE"), join(vendor, "lightweight-charts.LICENSE.txt"));
  writeFileSync(join(vendor, "lightweight-charts.NOTICE.txt"), NOTICE);
}

async function buildSources() {
  rmSync(built, { recursive: true, force: true });
  /** @type {Record<string, string>} SHA-256 of each source, so that a server knows a copy that is out of date */
  const sources = {};
  for (const folder of /** @type {const} */ (["js", "css"])) {
    for (const entry of readdirSync(join(web, folder), { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const path = join(entry.parentPath ?? entry.path, entry.name).slice(web.length);
      const source = readFileSync(join(web, path));
      const { code } = await transform(source.toString(), { loader: folder, minify: true, target: BROWSERS });
      write(join(built, path), code);
      sources[path] = createHash("sha256").update(source).digest("hex");
    }
  }
  writeFileSync(join(built, "sources.json"), `${JSON.stringify(sources, null, 1)}\n`);
}

await vendorLibrary();
await buildSources();
