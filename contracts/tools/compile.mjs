// Compiles solidity/ to artifacts/: abi, creation and runtime bytecode, compiler and settings.
// `npm run compile` writes them, `npm run check` compares them with what is committed.

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import solc from "solc";

const root = join(import.meta.dirname, "..");
const source = (path) => readFileSync(join(root, "solidity", path), "utf8");

// No metadata, so that the bytes depend on nothing but the code. The stack of the generated
// verifier is too deep for the default Yul steps: only unused code is pruned there.
const evmVersion = "cancun";
const generated = (name) => ({
  name,
  language: "Yul",
  path: `generated/${name}.yul`,
  settings: {
    evmVersion,
    optimizer: { enabled: true, runs: 1000000, details: { yul: true, yulDetails: { optimizerSteps: "u:" } } },
  },
});
const jobs = [
  {
    name: "RoundVerifier",
    language: "Solidity",
    path: "RoundVerifier.sol",
    settings: {
      evmVersion,
      viaIR: true,
      optimizer: { enabled: true, runs: 1000000 },
      metadata: { appendCBOR: false, bytecodeHash: "none" },
    },
  },
  ...["HaloVerifier", "StepHaloVerifier", "StepKeys"].map(generated),
];

function compile({ name, language, path, settings }) {
  const outputSelection = { "*": { "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"] } };
  const input = { language, sources: { [path]: { content: source(path) } }, settings: { ...settings, outputSelection } };
  const imports = (file) => ({ contents: source(file) });
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: imports }));
  const messages = output.errors ?? [];
  for (const { formattedMessage } of messages) console.error(formattedMessage);
  if (messages.some(({ severity }) => severity === "error")) throw new Error(`${path} does not compile`);
  const { evm, abi = [] } = output.contracts[path][name];
  const artifact = {
    contract: name,
    compiler: `solc ${solc.version()}`,
    language,
    settings,
    abi,
    bytecode: evm.bytecode.object,
    // solc tells none of an object that holds nothing but data.
    runtime: evm.deployedBytecode?.object ?? "",
  };
  return JSON.stringify(artifact, null, 2) + "\n";
}

const check = process.argv.includes("--check");
for (const job of jobs) {
  const path = join(root, "artifacts", `${job.name}.json`);
  const artifact = compile(job);
  if (!check) {
    writeFileSync(path, artifact);
    const { runtime, bytecode } = JSON.parse(artifact);
    console.log(`${job.name}: ${runtime.length / 2} bytes of runtime code, ${bytecode.length / 2} of creation code`);
  } else if (!existsSync(path) || readFileSync(path, "utf8") !== artifact) {
    console.error(`artifacts/${job.name}.json is not what ${job.path} compiles to: run npm run compile`);
    process.exitCode = 1;
  }
}
