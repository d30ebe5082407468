// Generates the clients that people generate from the document, compiles them, and searches them
// for holes: operations that are missing, and bodies of which nothing is known.
//
//   node check.mjs DOCUMENT FOLDER_OF_PYTHON_PROGRAMS

import { execFile } from "node:child_process";
import { copyFile, mkdir, mkdtemp, readFile, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { promisify } from "node:util";
import ts from "typescript";

const HERE = import.meta.dirname;
const [DOCUMENT, PYTHON] = process.argv.slice(2).map((path) => resolve(path));
const OPTIONS = {
  strict: true,
  noEmit: true,
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  lib: ["lib.es2022.d.ts", "lib.dom.d.ts", "lib.dom.iterable.d.ts"],
  types: [],
};

const run = promisify(execFile);
const camel = (name) => name.replace(/_(.)/g, (_, letter) => letter.toUpperCase());
const pascal = (name) => camel(`_${name}`);

class Failure extends Error {}

/** Run a program; what it printed is told only if it fails. */
async function call(program, args, cwd) {
  const env = { ...process.env, NO_COLOR: "1", PATH: PYTHON + delimiter + process.env.PATH };
  try {
    return await run(program, args, { cwd, env, maxBuffer: 1 << 26 });
  } catch (error) {
    throw new Failure(`${program} failed:\n${error.stdout ?? ""}${error.stderr ?? error}`);
  }
}

/** Return what the document says of each operation: its name, its body, what answers carry. */
function operationsOf(document) {
  return Object.entries(document.paths).flatMap(([path, item]) =>
    Object.values(item).map((operation) => ({
      id: operation.operationId,
      inPath: [...path.matchAll(/\{(.+?)\}/g)].map((match) => camel(match[1])),
      hasBody: operation.requestBody !== undefined,
      statuses: Object.keys(operation.responses).filter(
        (status) => operation.responses[status].content,
      ),
    })),
  );
}

/** Find `any` and `unknown` anywhere in a type, and give the ways there. */
function* holesIn(program, type, way, seen = new Set()) {
  const checker = program.getTypeChecker();
  if (type.flags & (ts.TypeFlags.Any | ts.TypeFlags.Unknown)) yield way;
  if (seen.has(type)) return;
  seen.add(type);
  if (type.isUnionOrIntersection()) {
    for (const each of type.types) yield* holesIn(program, each, way, seen);
    return;
  }
  if (!(type.flags & ts.TypeFlags.Object)) return;
  for (const each of checker.getTypeArguments(type)) yield* holesIn(program, each, `${way}[]`, seen);
  const declaration = type.symbol?.declarations?.[0];
  if (declaration && program.isSourceFileDefaultLibrary(declaration.getSourceFile())) return;
  for (const property of type.getProperties()) {
    yield* holesIn(program, checker.getTypeOfSymbol(property), `${way}.${property.name}`, seen);
  }
  const others = type.getStringIndexType();
  if (others) yield* holesIn(program, others, `${way}.*`, seen);
}

/** Look up exported types and functions of a generated file by name. */
class Module {
  constructor(program, file) {
    this.checker = program.getTypeChecker();
    const symbol = this.checker.getSymbolAtLocation(program.getSourceFile(file));
    this.names = new Map(this.checker.getExportsOfModule(symbol).map((each) => [each.name, each]));
  }

  type(name) {
    const symbol = this.names.get(name);
    return symbol && this.checker.getDeclaredTypeOfSymbol(symbol);
  }

  typesBeginningWith(beginning) {
    return [...this.names.keys()].filter((name) => name.startsWith(beginning)).map((name) => this.type(name));
  }

  parameters(name) {
    const symbol = this.names.get(name);
    const [signature] = symbol ? this.checker.getTypeOfSymbol(symbol).getCallSignatures() : [];
    return signature?.getParameters() ?? [];
  }

  /** Follow properties from a type; undefined where there is none. */
  follow(type, ...names) {
    for (const name of names) {
      const property = type && this.checker.getNonNullableType(type).getProperty(name);
      type = property && this.checker.getTypeOfSymbol(property);
    }
    return type;
  }
}

// Each says where its generator puts the body of an operation, and what an answer carries.
const CLIENTS = {
  "openapi-typescript and openapi-fetch": {
    generate: (folder) => ["openapi-typescript", DOCUMENT, "-o", join(folder, "schema.ts")],
    file: "schema.ts",
    beside: "openapi-fetch.ts",
    compiled: "openapi-fetch.ts",
    body: (module, { id }) => module.follow(module.type("operations"), id, "requestBody", "content"),
    answers: (module, { id }, status) =>
      [module.follow(module.type("operations"), id, "responses", status, "content")],
  },
  "@hey-api/openapi-ts": {
    generate: (folder) => ["openapi-ts", "-i", DOCUMENT, "-o", folder, "--no-log-file"],
    file: "types.gen.ts",
    compiled: "sdk.gen.ts",
    body: (module, { id }) => module.follow(module.type(`${pascal(id)}Data`), "body"),
    answers: (module, { id }, status) =>
      [module.follow(module.type(`${pascal(id)}Responses`), status) ??
        module.follow(module.type(`${pascal(id)}Errors`), status)],
  },
  orval: {
    // The configuration reads and writes beside itself.
    generate: (folder) => ["orval", "--config", join(folder, "orval.config.mjs")],
    beside: "orval.config.mjs",
    file: "client.ts",
    body: (module, { id, inPath }) => {
      const others = new Set([...inPath, "params", "headers", "options"]);
      const body = module.parameters(camel(id)).find(({ name }) => !others.has(name));
      return body && module.checker.getTypeOfSymbol(body);
    },
    // An answer that comes in several media types has a type for each.
    answers: (module, { id }, status) =>
      module.typesBeginningWith(`${camel(id)}Response${status}`).map((type) => module.follow(type, "data")),
  },
};

/** Search one compiled client; give what is wrong. */
function* faultsOf(client, program, file, operations) {
  const module = new Module(program, file);
  for (const operation of operations) {
    const parts = operation.statuses.map((status) => [status, client.answers(module, operation, status)]);
    if (operation.hasBody) parts.push(["body", [client.body(module, operation)]]);
    for (const [part, types] of parts) {
      const way = `${operation.id} ${part}`;
      const known = types.filter(Boolean);
      if (!known.length) yield `${way} is missing`;
      for (const type of known) yield* holesIn(program, type, way);
    }
  }
}

function report(name, operations, faults) {
  for (const fault of faults) console.error(`  ${fault}`);
  console.log(`${name}: ${operations.length} operations, ${faults.length} faults`);
  return faults.length;
}

async function checkTypeScript(folder, operations) {
  const entries = Object.entries(CLIENTS).map(([name, client], at) => {
    const place = join(folder, `typescript${at}`);
    return { name, client, place, file: join(place, client.file) };
  });
  for (const { client, place } of entries) {
    await mkdir(place);
    await copyFile(DOCUMENT, join(place, "openapi.json"));
    if (client.beside) await copyFile(join(HERE, client.beside), join(place, client.beside));
    const [program, ...args] = client.generate(place);
    await call(join(HERE, "node_modules/.bin", program), args, folder);
  }
  // The examples import the libraries that are installed beside this file.
  await symlink(join(HERE, "node_modules"), join(folder, "node_modules"));
  const roots = entries.flatMap(({ client, place, file }) => [
    file,
    ...(client.compiled ? [join(place, client.compiled)] : []),
  ]);
  const program = ts.createProgram(roots, OPTIONS);
  const errors = ts.getPreEmitDiagnostics(program);
  if (errors.length) console.error(ts.formatDiagnostics(errors, {
    getCanonicalFileName: (name) => name,
    getCurrentDirectory: () => folder,
    getNewLine: () => "\n",
  }));
  return entries
    .map(({ name, client, file }) =>
      report(name, operations, [...faultsOf(client, program, file, operations)]),
    )
    .reduce((sum, count) => sum + count, errors.length);
}

async function checkPython(folder, operations) {
  const place = join(folder, "python");
  // A media type or a schema that it does not understand is a warning.
  await call(
    join(PYTHON, "openapi-python-client"),
    ["generate", "--path", DOCUMENT, "--config", join(HERE, "python.yaml"),
      "--output-path", place, "--fail-on-warning"],
    folder,
  );
  await call(join(PYTHON, "mypy"), ["--strict", "--no-error-summary", "school_client"], place);
  const faults = await call(
    join(PYTHON, "python"), [join(HERE, "holes.py"), DOCUMENT, join(place, "school_client")], folder,
  );
  return report("openapi-python-client", operations, faults.stdout.split("\n").filter(Boolean));
}

const folder = await mkdtemp(join(tmpdir(), "itschool-clients-"));
try {
  const operations = operationsOf(JSON.parse(await readFile(DOCUMENT, "utf8")));
  const outcomes = await Promise.allSettled([
    checkTypeScript(folder, operations),
    checkPython(folder, operations),
  ]);
  for (const { reason } of outcomes) {
    if (reason) console.error(reason instanceof Failure ? reason.message : reason);
  }
  process.exitCode = outcomes.every(({ value }) => value === 0) ? 0 : 1;
} finally {
  await rm(folder, { recursive: true });
}
