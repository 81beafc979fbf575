//! Every shader is valid WGSL within WebGPU's default limits; no device is needed to know it.

use naga::valid::{Capabilities, ValidationFlags, Validator};
use naga::{AddressSpace, StorageAccess};
use pogo_shaders::kernel::{Access, Kernel};
use pogo_shaders::kernels;

/// Bytes of workgroup memory that every device offers.
const WORKGROUP_MEMORY: u32 = 16 << 10;
/// Invocations of a workgroup that every device offers.
const INVOCATIONS: u32 = 256;
/// Storage buffers of a stage that every device offers.
const STORAGE_BUFFERS: usize = 8;

#[test]
fn every_kernel_is_plain_wgsl_within_the_default_limits() {
    for kernel in kernels::all() {
        check(kernel);
    }
}

#[test]
fn kernels_have_names_of_their_own() {
    let mut names: Vec<_> = kernels::all().iter().map(|kernel| kernel.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), kernels::all().len());
}

fn check(kernel: &Kernel) {
    let (name, source) = (kernel.name, kernel.wgsl());
    let module =
        naga::front::wgsl::parse_str(&source).unwrap_or_else(|e| panic!("{name}: {}", e.emit_to_string(&source)));
    let mut validator = Validator::new(ValidationFlags::all(), Capabilities::empty());
    let info = validator.validate(&module).unwrap_or_else(|e| panic!("{name}: {}", e.emit_to_string(&source)));

    let [entry] = &module.entry_points[..] else { panic!("{name}: one entry point") };
    assert_eq!(entry.name, name);
    assert!(entry.workgroup_size.iter().product::<u32>() <= INVOCATIONS, "{name}");

    let mut workgroup_memory = 0;
    let mut found = Vec::new();
    for (handle, variable) in module.global_variables.iter() {
        let uses = info.get_entry_point(0)[handle];
        match variable.space {
            AddressSpace::WorkGroup => workgroup_memory += module.types[variable.ty].inner.size(module.to_ctx()),
            AddressSpace::Uniform | AddressSpace::Storage { .. } => {
                assert!(!uses.is_empty(), "{name}: {:?} is bound and not used", variable.name);
                let binding = variable.binding.expect("a buffer is bound");
                assert_eq!(binding.group, 0, "{name}");
                found.push((binding.binding, access(variable.space)));
            }
            _ => {}
        }
    }
    assert!(workgroup_memory <= WORKGROUP_MEMORY, "{name}: {workgroup_memory} bytes of workgroup memory");

    found.sort_by_key(|&(binding, _)| binding);
    let expected: Vec<_> = [&[Access::Uniform][..], kernel.bindings].concat();
    let got: Vec<_> = found.iter().map(|&(_, access)| access).collect();
    assert_eq!(got, expected, "{name}: bindings");
    assert!(found.iter().enumerate().all(|(i, &(binding, _))| binding as usize == i), "{name}: bindings have gaps");
    let storage = kernel.bindings.iter().filter(|&&access| access != Access::Uniform).count();
    assert!(storage <= STORAGE_BUFFERS, "{name}: {storage} storage buffers");
}

fn access(space: AddressSpace) -> Access {
    match space {
        AddressSpace::Uniform => Access::Uniform,
        AddressSpace::Storage { access } if access.contains(StorageAccess::STORE) => Access::Write,
        _ => Access::Read,
    }
}
