//! Real processes that share a batch end in the state of one. A worker is this program again, at
//! the ignored test [`worker`].

#[path = "../examples/data_parallel/workers.rs"]
mod workers;

use std::process::{Command, Stdio};

use url::Url;
use workers::{Worker, train_split, train_whole};

const STEPS: u32 = 40;
const STORE: &str = "POGO_TEST_STORE";
const PLACE: &str = "POGO_TEST_WORKER";

fn assert_processes_give_the_root_of_one(workers: usize) {
    let folder = std::env::temp_dir().join(format!("pogo-data-parallel-test-{workers}-{}", std::process::id()));
    let launch = |worker: &Worker| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "worker", "--ignored"]).stdout(Stdio::null());
        command.env(STORE, &worker.store).env(PLACE, format!("{}/{}", worker.index, worker.of));
        command
    };
    let store = Url::from_directory_path(&folder).unwrap();
    let reports = train_split(workers, STEPS, store.as_str(), launch).unwrap();
    let whole = train_whole(STEPS).unwrap();
    assert_eq!(reports.len(), workers);
    assert!(reports.iter().all(|report| report.root == whole.root && report.bytes > 0));
    assert_eq!(files(&folder), 0, "objects left in the store");
    std::fs::remove_dir_all(folder).unwrap();
}

fn files(folder: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.map(|path| if path.is_dir() { files(&path) } else { 1 }).sum()
}

#[test]
fn two_processes_give_the_root_of_one() {
    assert_processes_give_the_root_of_one(2);
}

#[test]
fn three_processes_with_uneven_rows_give_the_root_of_one() {
    assert_processes_give_the_root_of_one(3);
}

#[test]
#[ignore = "a worker process of the tests above; does nothing by itself"]
fn worker() {
    let (Ok(store), Ok(place)) = (std::env::var(STORE), std::env::var(PLACE)) else { return };
    let (index, of) = place.split_once('/').unwrap();
    Worker { index: index.parse().unwrap(), of: of.parse().unwrap(), steps: STEPS, store }.run().unwrap();
}
