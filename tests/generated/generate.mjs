// Makes clients of the OpenAPI document with the generators that people use, and compiles them as strictly as their languages can.
//
//   node generate.mjs FOLDER ENVIRONMENT GENERATOR...
//
// The clients stay in FOLDER; ENVIRONMENT is the virtual environment with the generators that come from PyPI. A warning that a route was left out is a failure.
import { execFileSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const document = resolve(here, "../../docs/openapi.json");
const [folder, environment, ...wanted] = process.argv.slice(2);

/** Runs a program; what it says is shown where it fails. */
function run(program, args) {
  try {
    execFileSync(program, args, { cwd: here, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  } catch (error) {
    throw new Error(`${program} ${args.join(" ")}\n${error.stdout ?? ""}${error.stderr ?? error}`);
  }
}

/** A program that came from npm. */
function installed(name) {
  return join(here, "node_modules/.bin", name);
}

/** A program that came from PyPI. */
function fetched(name) {
  return join(resolve(environment), "bin", name);
}

/** Compiles TypeScript, with nothing of this machine's in sight. */
function compile(target, { more = [], noUncheckedIndexedAccess = true } = {}) {
  const options = {
    strict: true, noUncheckedIndexedAccess, noEmit: true, target: "es2022", module: "esnext", moduleResolution: "bundler",
    lib: ["es2022", "dom", "dom.iterable"], types: [], paths: { "firemode-schema": [join(target, "schema.d.ts")] },
  };
  const project = join(target, "tsconfig.json");
  writeFileSync(project, JSON.stringify({ compilerOptions: options, include: [target, ...more] }));
  run(installed("tsc"), ["--project", project]);
}

const generators = {
  "openapi-typescript": (target) => {
    run(installed("openapi-typescript"), [document, "--output", join(target, "schema.d.ts")]);
    compile(target, { more: [join(here, "usage.ts")] });
  },
  "openapi-ts": (target) => {
    run(installed("openapi-ts"), ["--input", document, "--output", join(target, "client"), "--no-log-file"]);
    compile(target);
  },
  orval: (target) => {
    // It does not tell the two forms of results from each other: docs/api.md says how it is told to take JSON.
    const output = { target: join(target, "client.ts"), client: "fetch", override: { contentType: { exclude: ["application/vnd.automerge"] } } };
    const config = join(target, "orval.config.mjs");
    writeFileSync(config, `export default ${JSON.stringify({ firemode: { input: document, output } })};`);
    run(installed("orval"), ["--config", config]);
    compile(target);
  },
  "openapi-python-client": (target) => {
    const options = ["--config", join(here, "openapi-python-client.yaml"), "--output-path", join(target, "client"), "--fail-on-warning"];
    run(fetched("openapi-python-client"), ["generate", "--path", document, "--overwrite", ...options]);
    run(fetched("python"), [join(here, "import_all.py"), join(target, "client")]);
  },
  "typescript-fetch": (target) => {
    // The types of forms are left out otherwise, and imported all the same.
    const options = ["--generator-name", "typescript-fetch", "--global-property", "skipFormModel=false"];
    run(fetched("openapi-generator-cli"), ["generate", "--input-spec", document, "--output", join(target, "client"), ...options]);
    // What it puts beside every client reads lists without looking whether something is there.
    compile(target, { noUncheckedIndexedAccess: false });
  },
};

for (const name of wanted) {
  const started = Date.now();
  const target = resolve(folder, name);
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target, { recursive: true });
  generators[name](target);
  console.log(`${name}: generated and compiled in ${((Date.now() - started) / 1000).toFixed(1)} s`);
}
