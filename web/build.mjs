// Prepares what the page is served with, out of node_modules and the sources beside this file:
//   vendor/  lightweight-charts, cut down to what js/chart/chart-library.js names
//   built/   every module and style sheet without its comments and long names, one file each; in the place of
//            js/app.js and js/live-ui.js two bundles: the first picture, and all that comes after it; in that
//            of js/markets-app.js one with all of its page;
//            js/liqstream-client.mjs is the client in one file, for other people's pages and programs
// All with brotli siblings (.br), so that a server never compresses a large file at run time.
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants } from "node:zlib";
import { build, transform } from "esbuild";

const web = fileURLToPath(new URL("./", import.meta.url));
const library = join(web, "node_modules/lightweight-charts");
const vendor = join(web, "vendor");
const built = join(web, "built");
const MODULE = "lightweight-charts.mjs";
const BROWSERS = "es2022";
const FIRST = "js/app.js";
const REST = "js/live-ui.js";
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
 * The second bundle takes what it needs of the modules it shares with the first from there: a module has one
 * state on a page. Each name is imported as the first bundle exports it.
 * @param {Map<string, Map<string, string>>} exported by module of the first bundle: the bundle's name of each of its
 * @returns {import("esbuild").Plugin}
 */
function takeFromFirst(exported) {
  return {
    name: "first",
    setup: ({ onResolve, onLoad }) => {
      onResolve({ filter: /\.js$/ }, ({ path, resolveDir }) => {
        const file = resolve(resolveDir, path).slice(web.length);
        return exported.has(file) ? { path: file, namespace: "first" } : undefined;
      });
      onResolve({ filter: /^first$/, namespace: "first" }, () => ({ path: "./app.js", external: true }));
      onLoad({ filter: /.*/, namespace: "first" }, ({ path }) => {
        const names = /** @type {Map<string, string>} */ (exported.get(path));
        const list = [...names].map(([name, shared]) => `${shared} as ${name}`).join(", ");
        return { contents: `export { ${list} } from "first";`, loader: "js" };
      });
    },
  };
}

/**
 * The first bundle exports only what the second one takes: every further name would be bytes before the first
 * picture.
 * @returns {Promise<Record<string, string[]>>} the sources of each bundle
 */
async function buildBundles() {
  /** @type {import("esbuild").BuildOptions & { metafile: true, write: false }} */
  const options = { absWorkingDir: web, bundle: true, minify: true, write: false, metafile: true, format: "esm", target: BROWSERS };
  const graph = await build({ ...options, entryPoints: [FIRST], plugins: [keepApart()] });
  const first = Object.keys(graph.metafile.inputs);
  const alone = await build({ ...options, bundle: false, entryPoints: first, outdir: "out", outbase: "." });
  let count = 0;
  const exported = new Map(
    Object.values(alone.metafile.outputs)
      .filter(({ entryPoint }) => entryPoint !== FIRST)
      .map(({ entryPoint = "", exports }) => [entryPoint, new Map(exports.map((name) => [name, `s${count++}`]))]),
  );
  const two = await build({ ...options, entryPoints: [REST], plugins: [takeFromFirst(exported), keepApart()] });
  const taken = takenNames(two.outputFiles[0].text);
  const shared = [...exported].map(([path, names]) => {
    const list = [...names].filter(([, name]) => taken.has(name)).map(([name, as]) => `${name} as ${as}`);
    return list.length ? `export { ${list.join(", ")} } from "./${path}";` : "";
  });
  const stdin = { contents: [`import "./${FIRST}";`, ...shared].join("\n"), resolveDir: web };
  const one = await build({ ...options, stdin, plugins: [keepApart()] });
  write(join(built, FIRST), one.outputFiles[0].contents);
  write(join(built, REST), two.outputFiles[0].contents);
  const rest = Object.keys(two.metafile.inputs).filter((path) => !path.startsWith("first:"));
  const { metafile, outputFiles } = await build({ ...options, entryPoints: [MARKETS] });
  write(join(built, MARKETS), outputFiles[0].contents);
  return { [FIRST]: first, [REST]: rest, [MARKETS]: Object.keys(metafile.inputs) };
}

/**
 * @param {string} code of a bundle
 * @returns {Set<string>} the names it imports from the first one
 */
function takenNames(code) {
  const imports = code.matchAll(/\bimport\s*\{([^}]*)\}\s*from\s*"\.\/app\.js"/g);
  return new Set([...imports].flatMap(([, list]) => list.split(",").map((each) => each.trim().split(/\s+as\s+/)[0])));
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
