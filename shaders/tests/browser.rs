//! One training step, and its commitment, in headless Chromium's WebGPU, by the same shaders and dispatches as everywhere.
//!
//! Without Chromium the test says that it was skipped, unless `POGO_REQUIRE_BROWSER` is set.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use pogo_protocol::data::Batch;
use pogo_protocol::fixed::pcg;
use pogo_protocol::merkle::Layout;
use pogo_protocol::model::{Schedule, Spec, State, TraceMode};
use pogo_shaders::commit::Committing;
use pogo_shaders::kernel::Access;
use pogo_shaders::kernels::leaf::{MOMENTA_CHANGED, WEIGHTS_CHANGED};
use pogo_shaders::plan::{BufferId, Buffers, Dispatch, run_twins};
use pogo_shaders::step::{BINDING_MAX, Training};
use pogo_shaders::{constants, field};
use serde_json::{Value, json};
use tiny_http::{Header, Response, Server};

/// Longest that the browser may take, starting included.
const PATIENCE: Duration = Duration::from_secs(180);

/// A plan with what its buffers hold at first and what is read in the end.
struct Played {
    buffers: Buffers,
    writes: Vec<(BufferId, Vec<u32>)>,
    dispatches: Vec<Dispatch>,
    reads: Vec<(BufferId, usize, usize)>,
}

impl Played {
    /// As the page reads it.
    fn json(&self) -> Value {
        let buffers: Vec<Value> = self
            .buffers
            .list()
            .iter()
            .map(|buffer| json!({ "name": buffer.name, "words": buffer.words, "uniform": buffer.uniform }))
            .collect();
        let binding = |access: &Access| match access {
            Access::Uniform => "uniform",
            Access::Read => "read-only-storage",
            Access::Write => "storage",
        };
        let kernels: serde_json::Map<String, Value> = self
            .dispatches
            .iter()
            .map(|dispatch| {
                let bindings: Vec<&str> = dispatch.kernel.bindings.iter().map(binding).collect();
                let kernel = json!({ "wgsl": dispatch.kernel.wgsl(), "bindings": bindings });
                (dispatch.kernel.name.to_owned(), kernel)
            })
            .collect();
        let dispatches: Vec<Value> = self
            .dispatches
            .iter()
            .map(|dispatch| {
                json!({
                    "kernel": dispatch.kernel.name,
                    "parameters": dispatch.parameters,
                    "buffers": dispatch.buffers.iter().map(|id| id.0).collect::<Vec<_>>(),
                    "workgroups": dispatch.workgroups,
                })
            })
            .collect();
        let writes: Vec<Value> =
            self.writes.iter().map(|(id, words)| json!({ "buffer": id.0, "words": words })).collect();
        let read =
            |&(id, first, words): &(BufferId, usize, usize)| json!({ "buffer": id.0, "first": first, "words": words });
        let reads: Vec<Value> = self.reads.iter().map(read).collect();
        json!({ "buffers": buffers, "kernels": kernels, "dispatches": dispatches, "writes": writes, "reads": reads })
    }

    /// What the twins compute.
    fn expected(&self) -> Vec<u32> {
        let mut memory: Vec<Vec<u32>> = self.buffers.list().iter().map(|buffer| vec![0; buffer.words]).collect();
        self.writes.iter().for_each(|(id, words)| memory[id.0][..words.len()].copy_from_slice(words));
        run_twins(&mut memory, &self.dispatches);
        self.reads.iter().flat_map(|&(id, first, words)| memory[id.0][first..first + words].to_vec()).collect()
    }
}

/// One step of the net of the digits from its first weights, and its commitment.
fn digits_step() -> Played {
    let spec = Spec {
        name: "digits".into(),
        layers: vec![64, 64, 10],
        batch: 64,
        steps: 300,
        checkpoint_every: 1,
        learning_rate: 65_536,
        schedule: Schedule::Linear,
        warmup: 20,
        seed: 1,
        trace: TraceMode::None,
        data_root: [0; 32],
    };
    let batch = Batch {
        features: (0..64 * 64).map(|i| (pcg(i) >> 25) as i8).collect(),
        labels: (0..64).map(|i| (pcg(i) % 10) as u16).collect(),
    };
    let mut buffers = Buffers::default();
    let training = Training::new(&mut buffers, &spec, 1, BINDING_MAX).unwrap();
    let layout = Layout::new(18, spec.tensors().iter().map(|tensor| (tensor.rows, tensor.cols))).unwrap();
    let committing = Committing::new(&mut buffers, &layout, &training, BINDING_MAX).unwrap();
    let state = State::initial(&spec);
    let signed = |words: &[i32]| words.iter().map(|&word| word as u32).collect::<Vec<_>>();
    let mut writes = vec![
        (training.tables, constants::tables()),
        (training.control, vec![spec.learning_rate(0), 5, 0, 0]),
        (training.features, training.pack_features(&batch)),
        (training.labels, batch.labels.iter().map(|&label| label.into()).collect()),
    ];
    writes.push((committing.poseidon, field::poseidon()));
    writes.push((committing.empty, committing.pack_empty()));
    let mut reads = vec![
        (training.results, 0, training.results_words()),
        (committing.tops, 0, committing.tops_words()),
        (committing.flags, 0, 1),
    ];
    for shard in &training.shards {
        writes.push((shard.weights, signed(&state.weights[shard.tensor])));
        writes.push((shard.changed, vec![WEIGHTS_CHANGED | MOMENTA_CHANGED; shard.leaves()]));
        reads.push((shard.weights, 0, shard.leaves() * 64));
        reads.push((shard.codes, 0, shard.leaves() * 8));
    }
    let dispatches = [training.step(0), committing.step(&training, 0)].concat();
    Played { buffers, writes, dispatches, reads }
}

#[test]
fn chromium_gives_the_bits_of_the_twins() {
    let Some(browser) = browser() else {
        assert!(std::env::var_os("POGO_REQUIRE_BROWSER").is_none(), "Chromium is required here");
        eprintln!("skipped: chromium_gives_the_bits_of_the_twins: this machine has no Chromium");
        return;
    };
    let played = digits_step();
    let server = Server::http("127.0.0.1:0").expect("a free port");
    let address = server.server_addr().to_ip().expect("an address");
    let _page = Page::open(&browser, &format!("http://{address}/"));
    let result = serve(&server, &played.json().to_string());
    assert_eq!(result["error"], Value::Null);
    let got: Vec<u32> = serde_json::from_value(result["words"].clone()).expect("a list of words");
    assert!(got == played.expected(), "the browser computed other bits");
}

/// Serves the page until it posts its result.
fn serve(server: &Server, plan: &str) -> Value {
    loop {
        let request = server.recv_timeout(PATIENCE).expect("the server runs");
        let mut request = request.expect("the browser answers in time");
        let (kind, body) = match request.url() {
            "/" => ("text/html", include_str!("../web/index.html").to_owned()),
            "/player.js" => ("text/javascript", include_str!("../web/player.js").to_owned()),
            "/plan.json" => ("application/json", plan.to_owned()),
            "/result" => {
                let result = serde_json::from_reader(request.as_reader()).expect("the page posts JSON");
                let _ = request.respond(Response::empty(204));
                return result;
            }
            _ => {
                let _ = request.respond(Response::empty(404));
                continue;
            }
        };
        let header = Header::from_bytes("Content-Type", kind).expect("a legal header");
        let _ = request.respond(Response::from_string(body).with_header(header));
    }
}

/// A running browser; closed and cleaned up in the end.
struct Page {
    child: Child,
    profile: PathBuf,
}

impl Page {
    fn open(browser: &str, url: &str) -> Self {
        let profile = std::env::temp_dir().join(format!("pogo-browser-{}", std::process::id()));
        let mut command = Command::new(browser);
        command.args(["--headless=new", "--no-sandbox", "--no-first-run", "--disable-sync", "--disable-quic"]);
        command.args(["--disable-background-networking", "--disable-component-update"]);
        command.args(["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"]);
        command.arg(format!("--user-data-dir={}", profile.display())).arg(url);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the browser starts");
        Self { child, profile }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.profile);
    }
}

fn browser() -> Option<String> {
    let named = std::env::var("POGO_BROWSER").ok();
    let names = ["chromium", "chromium-browser", "google-chrome"].map(str::to_owned);
    let runs = |name: &String| {
        let version = Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        version.is_ok_and(|status| status.success())
    };
    named.into_iter().chain(names).find(runs)
}
