// Writes the JavaScript client as a package for npm into a folder: one module, its types, its description.
//   node build-client.mjs FOLDER VERSION
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const web = fileURLToPath(new URL("./", import.meta.url));
const NAME = "liqstream-client";
const ENTRY = join(web, "js/websocket-client.js");
const [folder = "", version = ""] = process.argv.slice(2);
if (!folder || !/^\d+\.\d+\.\d+/.test(version)) {
  console.error("usage: node build-client.mjs FOLDER VERSION, e.g. ../dist/liqstream-client 0.1.0");
  process.exit(2);
}
const out = resolve(folder);

/**
 * @param {string} name of a program of node_modules
 * @param {string[]} parameters
 */
function run(name, ...parameters) {
  execFileSync(join(web, "node_modules/.bin", name), parameters, { stdio: ["ignore", "ignore", "inherit"] });
}

/** The types of every module as its comments have them, and of those one file. */
function writeTypes() {
  const made = mkdtempSync(join(tmpdir(), "types-"));
  const modules = { module: "esnext", moduleResolution: "bundler" };
  const options = { target: "es2022", ...modules, lib: ["es2023", "dom"], types: [], skipLibCheck: true };
  const emit = { ...options, allowJs: true, declaration: true, emitDeclarationOnly: true, outDir: made };
  const [emitting, bundling] = ["emit.json", "bundle.json"].map((name) => join(made, name));
  writeFileSync(emitting, JSON.stringify({ compilerOptions: emit, files: [ENTRY] }));
  writeFileSync(bundling, JSON.stringify({ compilerOptions: options }));
  run("tsc", "--project", emitting);
  const types = join(made, "websocket-client.d.ts");
  const flags = ["--silent", "--no-check", "--no-banner", "--export-referenced-types=false"];
  const target = join(out, `${NAME}.d.mts`);
  run("dts-bundle-generator", ...flags, "--project", bundling, "--out-file", target, types);
  rmSync(made, { recursive: true });
}

const description = {
  name: NAME,
  version,
  description: "Follows the live liquidation heatmap of a liqstream server, its state proved by checksum",
  license: "MIT",
  type: "module",
  exports: { ".": { types: `./${NAME}.d.mts`, default: `./${NAME}.mjs` } },
  types: `./${NAME}.d.mts`,
  files: [`${NAME}.mjs`, `${NAME}.d.mts`],
  sideEffects: false,
  engines: { node: ">=18" },
};
const README = `# ${NAME}

Follows the liquidation heatmap of a liqstream server from any page or from Node, without dependencies.

\`\`\`js
import { LiqstreamClient } from "${NAME}";

const client = new LiqstreamClient("ws://127.0.0.1:8000/ws/heatmap");
client.on("snapshot", (snapshot) => console.log(snapshot.symbol, snapshot.currentPrice, snapshot.stale));
client.subscribe(["BTCUSDT"], { intervalS: 1 });
client.connect();
\`\`\`

Node before version 22 has no WebSocket; pass that of the package \`ws\` as \`{ WebSocket }\`.
`;

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
const outfile = join(out, `${NAME}.mjs`);
await build({ entryPoints: [ENTRY], bundle: true, format: "esm", target: "es2022", outfile });
writeTypes();
writeFileSync(join(out, "package.json"), `${JSON.stringify(description, null, 2)}\n`);
writeFileSync(join(out, "README.md"), README);
copyFileSync(join(web, "../LICENSE"), join(out, "LICENSE"));
