// @ts-check
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

/** @type {typeof import("../../web/node_modules/esbuild/lib/main.js")} */
const { build } = createRequire(new URL("../../web/package.json", import.meta.url))("esbuild");

const MODULES = fileURLToPath(new URL("../../web/js/", import.meta.url));

/** Top to bottom: folders, and the modules beside them. A row imports only rows below it. */
const ROWS = [
  ["app", "markets-app", "push-worker"],
  ["live-ui", "live-socket"],
  ["tools", "map-grid"],
  ["panels"],
  ["chart"],
  ["data", "page-facts", "websocket-client"],
  ["state", "wire"],
];

/**
 * @param {string} file below the folder of modules
 * @returns {string} the folder or module of ROWS it belongs to
 */
const roomOf = (file) => file.split("/")[0].replace(/\.js$/, "");

/**
 * @param {string} room
 * @returns {number} index into ROWS; -1 if it has no place there
 */
const rowOf = (room) => ROWS.findIndex((rooms) => rooms.includes(room));

/**
 * Every import that does not go down the rows, and every module without a row. The imports are those esbuild
 * finds, so types named in comments count as none, and a dynamic import() counts as one.
 * @param {string} root the folder of modules
 * @returns {Promise<string[]>} "importing module -> imported module", sorted
 */
async function wrongImports(root) {
  const entries = readdirSync(root, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath ?? entry.path, entry.name));
  const { metafile } = await build({
    entryPoints: files,
    absWorkingDir: root,
    outdir: root,
    bundle: true,
    write: false,
    metafile: true,
    format: "esm",
    external: ["*.mjs"],
    logLevel: "silent",
  });
  const wrong = files.map((file) => relative(root, file)).filter((file) => rowOf(roomOf(file)) < 0);
  for (const [file, { imports }] of Object.entries(metafile.inputs)) {
    for (const { path, external } of imports) {
      const [from, to] = [roomOf(file), roomOf(path)];
      if (!external && from !== to && rowOf(from) >= rowOf(to)) wrong.push(`${file} -> ${path}`);
    }
  }
  return wrong.sort();
}

test("imports go down the rows, and modules of one row do not import one another's", async () => {
  assert.deepEqual(await wrongImports(MODULES), []);
});

test("an import upwards, sideways, at run time or of a module without a row is found, one of a type is not", async (t) => {
  const root = mkdtempSync(join(tmpdir(), "modules-"));
  t.after(() => rmSync(root, { recursive: true }));
  const sources = {
    "app.js": 'import "./panels/legend.js";',
    "chart/tiles.js": 'import "../data/market.js"; import "./theme.js"; export { x } from "../../vendor/library.mjs";',
    "chart/theme.js": '/** @typedef {import("../panels/legend.js").Legend} Legend */',
    "data/market.js": 'import "../page-facts.js";',
    "page-facts.js": 'export * from "./wire/levels.js";',
    "panels/legend.js": 'export const tools = () => import("../tools/setup.js");',
    "state/store.js": 'import { levels } from "../wire/levels.js";',
    "tools/setup.js": "",
    "utils/misc.js": "",
    "wire/levels.js": 'import "../chart/tiles.js";',
  };
  for (const [file, source] of Object.entries(sources)) {
    mkdirSync(dirname(join(root, file)), { recursive: true });
    writeFileSync(join(root, file), source);
  }
  assert.deepEqual(await wrongImports(root), [
    "data/market.js -> page-facts.js",
    "panels/legend.js -> tools/setup.js",
    "state/store.js -> wire/levels.js",
    "utils/misc.js",
    "wire/levels.js -> chart/tiles.js",
  ]);
});
