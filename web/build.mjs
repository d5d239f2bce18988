// Prepares what the page is served with, out of node_modules and the sources beside this file:
//   vendor/  lightweight-charts, cut down to what js/chart/chart-library.js names
//   built/   every module and style sheet without its comments and long names, one file each; in the place of
//            js/app.js, js/live-socket.js and js/live-ui.js three bundles: the first picture, what it takes to
//            be live, and all that comes after it; in that of js/markets-app.js one with all of its page;
//            js/liqstream-client.mjs is the client in one file, for other people's pages and programs
// All with brotli siblings (.br), so that a server never compresses a large file at run time.
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants } from "node:zlib";
import { build, transform } from "esbuild";

const web = fileURLToPath(new URL("./", import.meta.url));
const library = join(web, "node_modules/lightweight-charts");
const vendor = join(web, "vendor");
const built = join(web, "built");
const MODULE = "lightweight-charts.mjs";
const BROWSERS = "es2022";
/** Bundles of one page, in the order in which they come: each takes from those before it. */
const CHAIN = ["js/app.js", "js/live-socket.js", "js/live-ui.js"];
const MARKETS = "js/markets-app.js";
const CLIENT = "js/liqstream-client.mjs";
/** What stays a file of its own beside the bundles: both are scripts of the page's head. */
const APART = ["js/data/first-history.js", `vendor/${MODULE}`];

// The package ships no NOTICE file; this is the text of the one in its repository, which its licence asks
// every page that uses it to show.
const NOTICE = "TradingView Lightweight Charts\nCopyright (c) 2023 TradingView, Inc. https://www.tradingview.com/\n";
// Section 4 b of that licence: a changed file says so.
const CHANGED = "/* Changed for liqstream: parts that its page does not use are left out. */";

/**
 * @param {string} path
 * @param {string | Uint8Array} content
 */
function write(path, content) {
  mkdirSync(dirname(path), { recursive: true });
  const bytes = Buffer.from(content);
  writeFileSync(path, bytes);
  writeFileSync(`${path}.br`, brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } }));
}

async function vendorLibrary() {
  rmSync(vendor, { recursive: true, force: true });
  const { outputFiles } = await build({
    entryPoints: [join(web, "js/chart/chart-library.js")],
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

/** @returns {Promise<Record<string, string>>} SHA-256 of each source, so that a server knows a copy that is out of date */
async function buildSources() {
  rmSync(built, { recursive: true, force: true });
  /** @type {Record<string, string>} */
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
  return sources;
}

/**
 * Keeps these modules out of a bundle: imports of them go to their own files, addressed from js/.
 * @returns {import("esbuild").Plugin}
 */
function keepApart() {
  return {
    name: "apart",
    setup: ({ onResolve }) =>
      onResolve({ filter: /\.m?js$/ }, ({ path, resolveDir, kind }) => {
        if (kind === "dynamic-import") return { path, external: true };
        const file = resolve(resolveDir, path).slice(web.length);
        if (!APART.includes(file)) return undefined;
        return { path: file.startsWith("js/") ? file.replace("js/", "./") : `../${file}`, external: true };
      }),
  };
}

/**
 * A bundle takes what it needs of the modules of those before it from there: a module has one state on a
 * page. Each name is imported as that bundle exports it.
 * @param {Map<string, Held>} held modules of bundles before it
 * @returns {import("esbuild").Plugin}
 */
function takeFrom(held) {
  return {
    name: "held",
    setup: ({ onResolve, onLoad }) => {
      onResolve({ filter: /^\.\/[^/]+$/, namespace: "held" }, ({ path }) => ({ path, external: true }));
      onResolve({ filter: /\.js$/ }, ({ path, resolveDir }) => {
        const file = resolve(resolveDir, path).slice(web.length);
        return held.has(file) ? { path: file, namespace: "held" } : undefined;
      });
      onLoad({ filter: /.*/, namespace: "held" }, ({ path }) => {
        const { bundle, names } = /** @type {Held} */ (held.get(path));
        const list = [...names].map(([name, shared]) => `${shared} as ${name}`).join(", ");
        return { contents: `export { ${list} } from "./${basename(bundle)}";`, loader: "js" };
      });
    },
  };
}

/** @typedef {{ bundle: string, names: Map<string, string> }} Held where a module is, and its exports there */

/**
 * Each bundle exports only what the later ones take: every further name would be bytes before the first
 * picture.
 * @returns {Promise<Record<string, string[]>>} the sources of each bundle
 */
async function buildBundles() {
  /** @type {import("esbuild").BuildOptions & { metafile: true, write: false }} */
  const options = { absWorkingDir: web, bundle: true, minify: true, write: false, metafile: true, format: "esm", target: BROWSERS };
  /** @type {Map<string, Held>} what is held by now */
  let held = new Map();
  /** @type {Record<string, string[]>} */
  const sources = {};
  /** @type {Record<string, Map<string, Held>>} what was held before each, of which it takes something */
  const before = {};
  let count = 0;
  for (const bundle of CHAIN) {
    let graph;
    let used = held;
    // A name left out may have been the only reason for another.
    do {
      before[bundle] = used;
      graph = await build({ ...options, entryPoints: [bundle], plugins: [takeFrom(used), keepApart()] });
      used = usedOf(used, graph.outputFiles[0].text);
    } while (countOf(used) < countOf(before[bundle]));
    sources[bundle] = Object.keys(graph.metafile.inputs).filter((path) => !path.startsWith("held:"));
    const alone = await build({ ...options, bundle: false, entryPoints: sources[bundle], outdir: "out", outbase: "." });
    held = new Map(held);
    for (const { entryPoint = "", exports } of Object.values(alone.metafile.outputs)) {
      if (entryPoint !== bundle) held.set(entryPoint, { bundle, names: new Map(exports.map((name) => [name, `s${count++}`])) });
    }
  }
  /** @type {string[]} */
  const later = [];
  for (const bundle of CHAIN.toReversed()) {
    const taken = takenNames(later.join("\n"), bundle);
    const shared = [...held].map(([path, { names }]) => {
      const list = [...names].filter(([, name]) => taken.has(name)).map(([name, as]) => `${name} as ${as}`);
      return list.length && sources[bundle].includes(path) ? `export { ${list.join(", ")} } from "./${path}";` : "";
    });
    const stdin = { contents: [`export * from "./${bundle}";`, ...shared].join("\n"), resolveDir: web };
    const { outputFiles } = await build({ ...options, stdin, plugins: [takeFrom(before[bundle]), keepApart()] });
    write(join(built, bundle), outputFiles[0].contents);
    later.push(outputFiles[0].text);
  }
  const { metafile, outputFiles } = await build({ ...options, entryPoints: [MARKETS] });
  write(join(built, MARKETS), outputFiles[0].contents);
  return { ...sources, [MARKETS]: Object.keys(metafile.inputs) };
}

const IMPORTS = /\bimport\s*\{([^}]*)\}\s*from\s*"\.\/([^"]+)"/g;

/**
 * What code imports of other bundles, by the names on both sides.
 * @param {string} code
 * @returns {{ from: string, name: string, as: string }[]}
 */
function importsOf(code) {
  return [...code.matchAll(IMPORTS)].flatMap(([, list, from]) =>
    list.split(",").map((each) => {
      const [name, as = name] = each.trim().split(/\s+as\s+/);
      return { from, name, as };
    }),
  );
}

/**
 * @param {string} code of bundles
 * @param {string} bundle
 * @returns {Set<string>} the names they import from it
 */
function takenNames(code, bundle) {
  const imports = importsOf(code).filter(({ from }) => from === basename(bundle));
  return new Set(imports.map(({ name }) => name));
}

/** @param {Map<string, Held>} held */
function countOf(held) {
  return [...held.values()].reduce((sum, { names }) => sum + names.size, 0);
}

/**
 * Of what is held, that which code uses, or a little more, as it may have a word for something else too:
 * esbuild imports every name of a module that it knows from outside.
 * @param {Map<string, Held>} held
 * @param {string} code
 * @returns {Map<string, Held>}
 */
function usedOf(held, code) {
  const words = new Set(code.replaceAll(IMPORTS, "").match(/[\w$]+/g));
  const used = new Set(importsOf(code).flatMap(({ name, as }) => (words.has(as) ? [name] : [])));
  const of = (/** @type {Held} */ { bundle, names }) => ({
    bundle,
    names: new Map([...names].filter(([, name]) => used.has(name))),
  });
  return new Map([...held].map(([path, each]) => [path, of(each)]));
}

/** @returns {Promise<string[]>} the names under built/ of what has no source of that name */
async function buildClient() {
  /** @type {import("esbuild").BuildOptions & { write: false }} */
  const options = { entryPoints: [join(web, "js/websocket-client.js")], bundle: true, minify: true, write: false };
  const { outputFiles } = await build({ ...options, format: "esm", target: BROWSERS });
  write(join(built, CLIENT), outputFiles[0].contents);
  return [CLIENT];
}

await vendorLibrary();
const sources = await buildSources();
const bundles = await buildBundles();
const standalone = await buildClient();
writeFileSync(join(built, "sources.json"), `${JSON.stringify({ sources, bundles, standalone }, null, 1)}\n`);
