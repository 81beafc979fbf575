//! Compiled contracts, embedded. `npm run compile` in this folder writes them.

use serde_json::Value;

/// The verifier of the round circuit that `pogo-contracts-generate` writes.
pub const HALO_VERIFIER: Artifact = Artifact(include_str!("../artifacts/HaloVerifier.json"));
/// The verifier of all step circuits that it writes.
pub const STEP_HALO_VERIFIER: Artifact = Artifact(include_str!("../artifacts/StepHaloVerifier.json"));
/// The keys of the step circuits, as the code of a contract.
pub const STEP_KEYS: Artifact = Artifact(include_str!("../artifacts/StepKeys.json"));
/// The contract around them.
pub const ROUND_VERIFIER: Artifact = Artifact(include_str!("../artifacts/RoundVerifier.json"));

/// The artifact of one contract, as JSON.
#[derive(Clone, Copy, Debug)]
pub struct Artifact(&'static str);

impl Artifact {
    /// Code that deploys the contract, without constructor arguments.
    pub fn creation_code(self) -> Vec<u8> {
        self.bytes("bytecode")
    }

    /// Code of the deployed contract, immutables being zero; empty where it holds nothing but data.
    pub fn runtime_code(self) -> Vec<u8> {
        self.bytes("runtime")
    }

    /// Signatures of a kind of the ABI ("function", "error"), such as `record((bytes32),bytes)`.
    pub fn signatures(self, kind: &str) -> Vec<String> {
        let abi = self.member("abi");
        let entries = abi.as_array().into_iter().flatten().filter(|entry| entry["type"] == kind);
        entries.map(|entry| format!("{}{}", text(&entry["name"]), types(&entry["inputs"]))).collect()
    }

    fn bytes(self, name: &str) -> Vec<u8> {
        let digits = self.member(name);
        let pairs = text(&digits).as_bytes().chunks(2);
        let byte = |pair: &[u8]| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok());
        pairs.map(|pair| byte(pair).expect("embedded code is hexadecimal")).collect()
    }

    fn member(self, name: &str) -> Value {
        let artifact: Value = serde_json::from_str(self.0).expect("an embedded artifact is JSON");
        artifact[name].clone()
    }
}

/// Types of parameters, in brackets.
fn types(inputs: &Value) -> String {
    let name = |input: &Value| match text(&input["type"]) {
        "tuple" => types(&input["components"]),
        simple => simple.into(),
    };
    let names: Vec<String> = inputs.as_array().into_iter().flatten().map(name).collect();
    format!("({})", names.join(","))
}

fn text(value: &Value) -> &str {
    value.as_str().expect("names, types and code are strings")
}
