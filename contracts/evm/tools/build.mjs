// Compiles src/ with the wasm solc of the lock file and writes contracts/artifacts/<Name>.json.
//   node tools/build.mjs           write the artifacts
//   node tools/build.mjs --check   compare with what is committed; exit 1 if anything differs
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";

const PROJECT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const ARTIFACTS = path.resolve(PROJECT, "..", "artifacts");
const CODE_BYTES_MAX = 24_576; // EIP-170
// Contract name -> source; each is deployed by name from Python.
const TARGETS = {
  CollateralVault: "src/CollateralVault.sol",
  CreditLine: "src/CreditLine.sol",
  FeeOnTransferToken: "src/devnet/FeeOnTransferToken.sol",
  NoReturnToken: "src/devnet/NoReturnToken.sol",
  PriceFeed: "src/devnet/PriceFeed.sol",
  TestToken: "src/devnet/TestToken.sol",
};

const solc = createRequire(import.meta.url)("solc");

/** Read one value of foundry.toml, so that forge and this script cannot drift apart. */
function foundrySetting(key) {
  const text = readFileSync(path.join(PROJECT, "foundry.toml"), "utf8");
  const match = text.match(new RegExp(`^${key} = "?([^"\\n]+)"?$`, "m"));
  if (match === null) {
    throw new Error(`foundry.toml: ${key} is missing; add it to [profile.default]`);
  }
  return match[1];
}

/** Return the compiler input: sources by path, settings from foundry.toml. */
function compilerInput() {
  const sources = {};
  for (const source of Object.values(TARGETS)) {
    sources[source] = { content: readFileSync(path.join(PROJECT, source), "utf8") };
  }
  return {
    language: "Solidity",
    sources,
    settings: {
      optimizer: {
        enabled: foundrySetting("optimizer") === "true",
        runs: Number(foundrySetting("optimizer_runs")),
      },
      evmVersion: foundrySetting("evm_version"),
      metadata: {
        bytecodeHash: foundrySetting("bytecode_hash"),
        appendCBOR: foundrySetting("cbor_metadata") === "true",
      },
      outputSelection: {
        "*": { "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object", "metadata"] },
      },
    },
  };
}

/** Resolve an import: own sources by path, libraries under node_modules. */
function findImport(name) {
  for (const candidate of [path.join(PROJECT, name), path.join(PROJECT, "node_modules", name)]) {
    if (existsSync(candidate)) {
      return { contents: readFileSync(candidate, "utf8") };
    }
  }
  return { error: `import not found: ${name}; run npm ci --ignore-scripts` };
}

/** Return a copy whose keys are sorted at every depth. */
function sortKeys(value) {
  if (Array.isArray(value)) {
    return value.map(sortKeys);
  }
  if (value !== null && typeof value === "object") {
    return Object.fromEntries(
      Object.keys(value)
        .sort()
        .map((key) => [key, sortKeys(value[key])]),
    );
  }
  return value;
}

/** Return the text of one artifact. */
function artifactText(name, contract, settings) {
  const codeBytes = contract.evm.deployedBytecode.object.length / 2;
  if (codeBytes > CODE_BYTES_MAX) {
    throw new Error(`${name}: ${codeBytes} bytes of code, ${CODE_BYTES_MAX} are allowed`);
  }
  const metadata = JSON.parse(contract.metadata);
  const sourceHashes = Object.fromEntries(
    Object.entries(metadata.sources).map(([source, entry]) => [source, entry.keccak256]),
  );
  const artifact = {
    abi: contract.abi,
    bytecode: `0x${contract.evm.bytecode.object}`,
    compiler: {
      evmVersion: settings.evmVersion,
      optimizerRuns: settings.optimizer.runs,
      version: metadata.compiler.version,
    },
    contractName: name,
    sourceHashes,
  };
  return `${JSON.stringify(sortKeys(artifact), null, 2)}\n`;
}

/** Compile and return the artifact texts by file name. */
function buildAll() {
  const input = compilerInput();
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: findImport }));
  const problems = (output.errors ?? []).map((problem) => problem.formattedMessage);
  if (problems.length > 0) {
    throw new Error(problems.join("\n"));
  }
  return new Map(
    Object.entries(TARGETS).map(([name, source]) => [
      `${name}.json`,
      artifactText(name, output.contracts[source][name], input.settings),
    ]),
  );
}

/** Return the names of files that differ from what was built, or should not be there. */
function differences(built) {
  const present = existsSync(ARTIFACTS) ? readdirSync(ARTIFACTS) : [];
  const extra = present.filter((file) => file.endsWith(".json") && !built.has(file));
  const changed = [...built.keys()].filter((file) => {
    const target = path.join(ARTIFACTS, file);
    return !existsSync(target) || readFileSync(target, "utf8") !== built.get(file);
  });
  return [...changed, ...extra].sort();
}

function main() {
  const built = buildAll();
  const stale = differences(built);
  if (process.argv.includes("--check")) {
    if (stale.length > 0) {
      console.error(`differ from the sources: ${stale.join(", ")}; run npm run build`);
      process.exitCode = 1;
    } else {
      console.log(`${built.size} artifacts match the sources`);
    }
    return;
  }
  mkdirSync(ARTIFACTS, { recursive: true });
  for (const file of stale) {
    if (built.has(file)) {
      writeFileSync(path.join(ARTIFACTS, file), built.get(file));
    } else {
      rmSync(path.join(ARTIFACTS, file));
    }
  }
  console.log(`wrote ${stale.length} of ${built.size} artifacts`);
}

main();
