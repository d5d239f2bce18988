// @ts-check
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import ts from "../../web/node_modules/typescript/lib/typescript.js";

const WEB = fileURLToPath(new URL("../../web/", import.meta.url));
/**
 * Words the page does not use, as patterns, each by the one it uses for the thing.
 * @type {Record<string, string>}
 */
const OTHER_WORDS = JSON.parse(readFileSync(new URL("../page_words.json", import.meta.url), "utf8"));

/**
 * @param {string} text
 * @returns {string[]} what is wrong with it
 */
function wrong(text) {
  return Object.entries(OTHER_WORDS).flatMap(([right, other]) => {
    const found = new RegExp(other, "i").exec(text);
    return found ? [`"${found[0]}" instead of "${right}" in: ${text.trim()}`] : [];
  });
}

/**
 * What a viewer may read or hear of a module: its literals with a space or a capital letter in them, less
 * class names, error messages for programmers and what is compared with.
 * @param {string} path
 * @returns {string[]}
 */
function textsOf(path) {
  const source = ts.createSourceFile(path, readFileSync(path, "utf8"), ts.ScriptTarget.ES2022, true);
  /** @type {string[]} */
  const texts = [];
  const visit = (/** @type {ts.Node} */ node) => {
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node) || ts.isThrowStatement(node)) return;
    if (ts.isPropertyAssignment(node) && ["class", "data", "className"].includes(node.name.getText())) return;
    if (ts.isCallExpression(node) && /classList|find$|querySelector|addEventListener|due$/.test(node.expression.getText())) {
      if (!node.arguments.some((argument) => ts.isFunctionLike(argument))) return;
    }
    if (ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node)) texts.push(node.text);
    if (ts.isTemplateExpression(node)) texts.push([node.head.text, ...node.templateSpans.map((span) => span.literal.text)].join(" … "));
    ts.forEachChild(node, visit);
  };
  visit(source);
  return texts.filter((text) => /\s\S/.test(text) || /^[A-Z]/.test(text));
}

test("no text of the page's modules uses another word than the glossary's", () => {
  const files = readdirSync(join(WEB, "js"), { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".js"));
  const problems = files.flatMap((name) => textsOf(join(WEB, "js", name)).flatMap(wrong).map((problem) => `${name}: ${problem}`));
  assert.ok(files.length > 40);
  assert.deepEqual(problems, []);
});

test("no text of the template does", () => {
  const html = readFileSync(join(WEB, "templates/coinglass_heatmap.html"), "utf8").replace(/{[#%{].*?[#%}]}/gs, " ");
  const inAttributes = [...html.matchAll(/\b(?:title|aria-label|content|placeholder)="([^"]*)"/g)].map(([, text]) => text);
  const between = html.replace(/<[^>]*>/g, "\n").split("\n");
  assert.deepEqual([...inAttributes, ...between].map((text) => text.replace("{symbol}", "")).flatMap(wrong), []);
});

test("the words are looked for where they would be found", () => {
  for (const text of ["3 venues", "USD over surroundings", "Standing now", "Really liquidated", "Hold the colours", "uniform × range"]) {
    assert.equal(wrong(text).length > 0, true, text);
  }
  assert.deepEqual(wrong("levels that stand out from their local average"), []);
  const side = textsOf(join(WEB, "js/panels/side-panel.js"));
  assert.ok(side.includes("Liquidation levels nearby") && side.some((text) => text === "all shown"));
});
