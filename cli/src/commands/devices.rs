//! `pogo devices`: what can train on this machine, its limits, and how fast it is.

use pogo_prover::device::gpu::{self, Adapter, Gpu};
use pogo_prover::device::{Device, Speed};
use serde_json::{Value, json};

use super::Done;
use crate::failure::Failure;
use crate::output::{Console, Table, bytes};

/// Runs the command.
pub(crate) fn run(console: Console) -> Result<Done, Failure> {
    let spinner = console.spinner("measuring");
    let mut table = cpu()?;
    for adapter in gpu::adapters() {
        let (value, text) = describe(&adapter);
        let name = format!("gpu:{}", adapter.index);
        table = table.row_as(&name, &name, value, text);
    }
    spinner.finish_and_clear();
    Ok(table.into())
}

fn cpu() -> Result<Table, Failure> {
    let (device, speed) = (Device::Cpu, Device::Cpu.speed()?);
    let value = json!({ "name": device.describe(), "speed": speed_value(speed) });
    let text = format!("{}: {}", device.describe(), speed_text(speed));
    Ok(Table::new("devices, measured on a 256-256-10 net with 256 records a batch").row_as("cpu", "cpu", value, text))
}

fn describe(adapter: &Adapter) -> (Value, String) {
    let (info, limits) = (&adapter.info, &adapter.limits);
    let mut value = json!({
        "name": info.name,
        "hardware": adapter.is_hardware(),
        "backend": format!("{:?}", info.backend),
        "driver": format!("{} {}", info.driver, info.driver_info).trim(),
        "limits": {
            "buffer_bytes": limits.max_buffer_size,
            "binding_bytes": limits.max_storage_buffer_binding_size,
            "storage_buffers": limits.max_storage_buffers_per_shader_stage,
            "workgroup_bytes": limits.max_compute_workgroup_storage_size,
            "workgroup_invocations": limits.max_compute_invocations_per_workgroup,
        },
    });
    let bindings = bytes(limits.max_storage_buffer_binding_size);
    let speed = Gpu::open(adapter.index).map_err(Into::into).and_then(|gpu| Device::Gpu(gpu).speed());
    let speed = match speed {
        Ok(speed) => {
            value["speed"] = speed_value(speed);
            speed_text(speed)
        }
        Err(error) => {
            value["error"] = error.to_string().into();
            format!("cannot train: {error}")
        }
    };
    (value, format!("{}: {speed}; bindings of up to {bindings}", adapter.describe()))
}

fn speed_value(speed: Speed) -> Value {
    json!({ "step_operations": speed.step_operations, "hashed_bytes": speed.hashed_bytes })
}

fn speed_text(speed: Speed) -> String {
    let (training, hashing) = (speed.step_operations / 1e9, speed.hashed_bytes / 1e6);
    format!("trains {training:.1} GOP/s, hashes {hashing:.2} MB/s of weights")
}
