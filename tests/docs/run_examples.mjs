// Runs the examples of a Markdown file, in their order, as they stand: those in ```sh as one bash script, with tools that take no more
// than those of a Mac, those in ```js as one module. Usage: node run_examples.mjs FILE; FIREMODE_BASE_URL says where FireMode answers.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const SECONDS_MAX = 120;

/** The code of every fence of a language, with the line it stands on for error messages. */
function fences(text, language) {
  const found = [];
  let open = null;
  text.split("\n").forEach((line, index) => {
    if (open === null && line === `\`\`\`${language}`) {
      open = { line: index + 2, code: [] };
    } else if (open !== null && line === "```") {
      found.push(open);
      open = null;
    } else if (open !== null) {
      open.code.push(line);
    }
  });
  if (open !== null) throw new Error(`the fence of line ${open.line} has no end`);
  return found;
}

const mark = (comment, { line, code }) => `${comment} line ${line}\n${code.join("\n")}\n`;

/** Tools of a Mac know no long options, and two of Linux are not there at all. */
function toolsOfAMac(folder) {
  const tools = join(folder, "tools");
  mkdirSync(tools);
  const script = (name, ...lines) => writeFileSync(join(tools, name), ["#!/bin/bash", ...lines, ""].join("\n"), { mode: 0o755 });
  for (const name of ["base64", "cmp", "cut", "date", "grep", "head", "sha256sum", "tail", "tr", "wc"]) {
    const refuse = `for word; do [[ $word != --?* ]] || { echo "${name}: a Mac has no $word" >&2; exit 64; }; done`;
    script(name, refuse, `PATH=\${PATH#*:} exec ${name} "$@"`);
  }
  script("cat", `for word; do [[ $word != /proc/* ]] || { echo "a Mac has no $word" >&2; exit 64; }; done`, 'PATH=${PATH#*:} exec cat "$@"');
  script("uuidgen", `exec node -p 'crypto.randomUUID().toUpperCase()'`);
  return { ...process.env, PATH: `${tools}:${process.env.PATH}` };
}

function run(folder, file, command, args, env) {
  const options = { cwd: folder, encoding: "utf8", timeout: SECONDS_MAX * 1000, env };
  const { status, signal, stdout, stderr } = spawnSync(command, [...args, file], options);
  if (status !== 0) {
    process.stderr.write(`${stdout}${stderr}\n${file}: ended with ${status ?? signal}\n`);
    return false;
  }
  return true;
}

const [, , document] = process.argv;
const text = readFileSync(resolve(document), "utf8");
const folder = mkdtempSync(join(tmpdir(), "firemode-examples-"));
try {
  // The packages that the walk-through has installed.
  symlinkSync(join(here, "../walkthrough/node_modules"), join(folder, "node_modules"));
  const languages = [
    { language: "sh", file: "examples.sh", comment: "#", command: "bash", args: ["-euo", "pipefail"], env: toolsOfAMac(folder) },
    { language: "js", file: "examples.mjs", comment: "//", command: process.execPath, args: [], env: process.env },
  ];
  for (const { language, file, comment, command, args, env } of languages) {
    const examples = fences(text, language);
    if (examples.length === 0) throw new Error(`${document} has no examples in ${language}`);
    writeFileSync(join(folder, file), examples.map((example) => mark(comment, example)).join("\n"));
    if (!run(folder, file, command, args, env)) process.exitCode = 1;
    else console.log(`${document}: ${examples.length} examples in ${language} work`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
