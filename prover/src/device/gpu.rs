//! A GPU through wgpu: adapters, memory, and plans of [`pogo_shaders`] run on it.
//!
//! Only plain WGSL within WebGPU's default limits is used, so any Vulkan, Metal, DirectX 12 or GL
//! adapter will do. Dispatches are submitted together up to about [`SUBMISSION_SECONDS`], so that a
//! desktop stays usable and no driver's watchdog takes the device away. A dispatch itself is not cut
//! here: plans keep those that hash small, those of very large products may take longer.

mod caught;
mod trainer;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use pogo_shaders::kernel::{Access, Kernel, PARAMETERS};
use pogo_shaders::plan::{Buffer, BufferId, Dispatch, TooLarge};

use crate::round::Round;
use caught::caught;
pub use trainer::GpuTrainer;

/// Longest that a submission of several dispatches should keep the device.
pub const SUBMISSION_SECONDS: f64 = 0.1;
/// 32-bit operations a second that a device is taken to make until it was measured.
const FIRST_SPEED: f64 = 2e9;
/// Most words that are read from a device at once: 64 MiB, a quarter of what a buffer may have.
const READ_WORDS: usize = 16 << 20;
/// Bytes from one parameter block to the next: the alignment of uniform bindings.
const PARAMETERS_STRIDE: u64 = 256;

/// Why a GPU could not do something.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GpuError {
    /// There is no such adapter.
    #[error("no GPU adapter {index}: {found} found; `pogo devices` lists them")]
    NoAdapter {
        /// Adapter asked for.
        index: usize,
        /// Adapters there are.
        found: usize,
    },
    /// The adapter gives no device with WebGPU's default limits, or the device does not hold the model.
    #[error("{adapter}: {reason}")]
    Refused {
        /// Adapter.
        adapter: String,
        /// What it says.
        reason: String,
    },
    /// The device was lost: reset, removed, or taken by its driver.
    #[error("the GPU was lost: {0}")]
    Lost(String),
    /// A tensor does not fit.
    #[error("the GPU is out of memory: {tensor} needs {bytes} bytes")]
    Memory {
        /// The tensor.
        tensor: String,
        /// Its size.
        bytes: u64,
    },
    /// A tensor is larger than any buffer of the device.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// Anything else that wgpu reports.
    #[error("GPU: {0}")]
    Other(String),
}

/// One adapter of this machine.
#[derive(Clone, Debug)]
pub struct Adapter {
    /// Its number in [`adapters`].
    pub index: usize,
    /// What it says of itself.
    pub info: wgpu::AdapterInfo,
    /// Its limits.
    pub limits: wgpu::Limits,
    adapter: wgpu::Adapter,
}

impl Adapter {
    /// Whether it is a GPU, not a driver that computes on the CPU.
    pub fn is_hardware(&self) -> bool {
        !matches!(self.info.device_type, wgpu::DeviceType::Cpu | wgpu::DeviceType::Other)
    }

    /// Name, kind and backend in one line.
    pub fn describe(&self) -> String {
        let kind = match self.info.device_type {
            wgpu::DeviceType::DiscreteGpu => "discrete GPU",
            wgpu::DeviceType::IntegratedGpu => "integrated GPU",
            wgpu::DeviceType::VirtualGpu => "virtual GPU",
            wgpu::DeviceType::Cpu => "software on the CPU",
            wgpu::DeviceType::Other => "unknown kind",
        };
        format!("{} ({kind}, {:?})", self.info.name, self.info.backend)
    }
}

/// All adapters: GL last, hardware first among the others and among them.
pub fn adapters() -> Vec<Adapter> {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle_from_env());
    let found = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
    let adapter =
        |adapter: wgpu::Adapter| Adapter { index: 0, info: adapter.get_info(), limits: adapter.limits(), adapter };
    let mut adapters: Vec<Adapter> = found.into_iter().map(adapter).collect();
    adapters.sort_by_key(|adapter| (adapter.info.backend == wgpu::Backend::Gl, !adapter.is_hardware()));
    adapters.iter_mut().enumerate().for_each(|(index, adapter)| adapter.index = index);
    adapters
}

/// The first adapter among the `wanted` ones that opens and holds the model of `round`.
///
/// # Errors
/// Why each of them does not; nothing when there is none.
pub fn first_that_holds(round: &Round, wanted: impl Fn(&Adapter) -> bool) -> Result<Gpu, Vec<GpuError>> {
    let mut reasons = Vec::new();
    for adapter in adapters().into_iter().filter(wanted) {
        let refused = |error: GpuError| GpuError::Refused { adapter: adapter.describe(), reason: error.to_string() };
        let holds = |gpu: Gpu| GpuTrainer::fits(&gpu, round).map_err(refused).map(|()| gpu);
        match Gpu::open(adapter.index).and_then(holds) {
            Ok(gpu) => return Ok(gpu),
            Err(reason) => reasons.push(reason),
        }
    }
    Err(reasons)
}

/// An open GPU; clones are the same device.
#[derive(Clone, Debug)]
pub struct Gpu {
    index: usize,
    description: String,
    binding_max: usize,
    device: wgpu::Device,
    queue: wgpu::Queue,
    shared: Arc<Shared>,
}

/// What all clones of a device share.
#[derive(Debug)]
struct Shared {
    pipelines: Mutex<HashMap<&'static str, wgpu::ComputePipeline>>,
    /// The first fault that wgpu reported.
    fault: Mutex<Option<GpuError>>,
    /// Operations a second, measured.
    speed: Mutex<f64>,
}

/// Buffers of a plan on a device.
#[derive(Debug)]
pub struct Memory(Vec<wgpu::Buffer>);

/// Dispatches made ready for a device.
#[derive(Debug)]
pub struct Program {
    steps: Vec<Ready>,
}

#[derive(Debug)]
struct Ready {
    pipeline: wgpu::ComputePipeline,
    bind_group: wgpu::BindGroup,
    workgroups: [u32; 3],
    work: u64,
}

impl Gpu {
    /// Opens adapter `index`, numbered as in [`adapters`].
    ///
    /// # Errors
    /// [`GpuError::NoAdapter`] or [`GpuError::Refused`].
    pub fn open(index: usize) -> Result<Self, GpuError> {
        let adapters = adapters();
        let found = adapters.len();
        let adapter = adapters.into_iter().nth(index).ok_or(GpuError::NoAdapter { index, found })?;
        let refused = |reason: String| GpuError::Refused { adapter: adapter.describe(), reason };
        // wgpu panics over a device that fails when it is half made.
        let request = || pollster::block_on(adapter.adapter.request_device(&wgpu::DeviceDescriptor::default()));
        let (device, queue) = caught(request).map_err(refused)?.map_err(|error| refused(error.to_string()))?;
        let shared =
            Arc::new(Shared { pipelines: Mutex::default(), fault: Mutex::default(), speed: Mutex::new(FIRST_SPEED) });
        let on_loss = Arc::clone(&shared);
        device.set_device_lost_callback(move |reason, message| {
            on_loss.fail(GpuError::Lost(format!("{reason:?} {message}")))
        });
        let on_error = Arc::clone(&shared);
        device
            .on_uncaptured_error(Arc::new(move |error: wgpu::Error| on_error.fail(GpuError::Other(error.to_string()))));
        let binding_max = device.limits().max_storage_buffer_binding_size as usize;
        Ok(Self { index, description: adapter.describe(), binding_max, device, queue, shared })
    }

    /// Its number in [`adapters`].
    pub fn index(&self) -> usize {
        self.index
    }

    /// Name, kind and backend in one line.
    pub fn describe(&self) -> &str {
        &self.description
    }

    /// Bytes of the largest storage binding.
    pub fn binding_max(&self) -> usize {
        self.binding_max
    }

    /// Gives the device up at once, as if it were pulled out: everything that runs or is asked for
    /// later ends in [`GpuError::Lost`].
    pub fn destroy(&self) {
        self.device.destroy();
    }

    /// Makes the buffers of a plan, filled with zeros.
    ///
    /// # Errors
    /// [`GpuError::TooLarge`] or [`GpuError::Memory`] naming the first that does not fit.
    pub fn allocate(&self, buffers: &[Buffer]) -> Result<Memory, GpuError> {
        let allocate = |buffer: &Buffer| {
            let kind = if buffer.uniform { wgpu::BufferUsages::UNIFORM } else { wgpu::BufferUsages::STORAGE };
            let size = buffer.words as u64 * 4;
            let (tensor, most) = (buffer.name.clone(), self.device.limits().max_buffer_size);
            if size > most {
                return Err(TooLarge { tensor, needed: size as usize, most: most as usize }.into());
            }
            let scope = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
            let made = self.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some(&buffer.name),
                size,
                usage: kind | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC,
                mapped_at_creation: false,
            });
            match pollster::block_on(scope.pop()) {
                None => Ok(made),
                Some(_) => Err(GpuError::Memory { tensor, bytes: size }),
            }
        };
        let memory = Memory(buffers.iter().map(allocate).collect::<Result<_, _>>()?);
        self.check()?;
        Ok(memory)
    }

    /// Writes words into a buffer, before anything that is submitted later.
    pub fn write(&self, memory: &Memory, BufferId(id): BufferId, first: usize, words: &[u32]) {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.queue.write_buffer(&memory.0[id], first as u64 * 4, &bytes);
    }

    /// Makes dispatches ready to be run over `memory`.
    ///
    /// # Errors
    /// What wgpu says of a shader or a binding.
    pub fn prepare(&self, memory: &Memory, dispatches: &[Dispatch]) -> Result<Program, GpuError> {
        let parameters = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("parameters"),
            size: PARAMETERS_STRIDE * dispatches.len().max(1) as u64,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let mut bytes = vec![0; PARAMETERS_STRIDE as usize * dispatches.len()];
        for (block, dispatch) in bytes.chunks_mut(PARAMETERS_STRIDE as usize).zip(dispatches) {
            let words = dispatch.parameters.iter().flat_map(|word| word.to_le_bytes());
            block.iter_mut().zip(words).for_each(|(byte, value)| *byte = value);
        }
        self.queue.write_buffer(&parameters, 0, &bytes);
        let ready = |(i, dispatch): (usize, &Dispatch)| {
            let pipeline = self.pipeline(dispatch.kernel);
            let block = wgpu::BufferBinding {
                buffer: &parameters,
                offset: PARAMETERS_STRIDE * i as u64,
                size: std::num::NonZero::new(4 * PARAMETERS as u64),
            };
            let buffers = dispatch.buffers.iter().map(|&BufferId(id)| memory.0[id].as_entire_binding());
            let entries: Vec<wgpu::BindGroupEntry> = std::iter::once(wgpu::BindingResource::Buffer(block))
                .chain(buffers)
                .enumerate()
                .map(|(binding, resource)| wgpu::BindGroupEntry { binding: binding as u32, resource })
                .collect();
            let bind_group = self.device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some(dispatch.kernel.name),
                layout: &pipeline.get_bind_group_layout(0),
                entries: &entries,
            });
            Ready { pipeline, bind_group, workgroups: dispatch.workgroups, work: dispatch.work }
        };
        let program = Program { steps: dispatches.iter().enumerate().map(ready).collect() };
        self.check()?;
        Ok(program)
    }

    /// Runs programs one after another, cut into short submissions, and waits for them.
    ///
    /// # Errors
    /// [`GpuError::Lost`], or what wgpu reports.
    pub fn run<'a>(&self, programs: impl IntoIterator<Item = &'a Program>) -> Result<(), GpuError> {
        let (start, mut total) = (Instant::now(), 0);
        let most = (*lock(&self.shared.speed) * SUBMISSION_SECONDS) as u64;
        let (mut batch, mut work) = (Vec::new(), 0);
        for step in programs.into_iter().flat_map(|program| &program.steps) {
            if work + step.work > most && !batch.is_empty() {
                self.submit(&batch);
                (batch, work) = (Vec::new(), 0);
            }
            batch.push(step);
            work += step.work;
            total += step.work;
        }
        self.submit(&batch);
        self.wait()?;
        // Short runs say more about latency than about speed.
        let seconds = start.elapsed().as_secs_f64();
        if seconds > SUBMISSION_SECONDS / 10.0 {
            *lock(&self.shared.speed) = total as f64 / seconds;
        }
        Ok(())
    }

    /// Reads words of some buffers, one after the other; any number of them.
    ///
    /// # Errors
    /// [`GpuError::Lost`], or what wgpu reports.
    pub fn read(&self, memory: &Memory, parts: &[(BufferId, Range<usize>)]) -> Result<Vec<u32>, GpuError> {
        let mut words = Vec::with_capacity(parts.iter().map(|(_, range)| range.len()).sum());
        let (mut together, mut room) = (Vec::new(), READ_WORDS);
        for (id, range) in parts {
            let mut first = range.start;
            while first < range.end {
                let piece = first..range.end.min(first + room);
                (first, room) = (piece.end, room - piece.len());
                together.push((*id, piece));
                if room == 0 {
                    self.read_together(memory, &together, &mut words)?;
                    (together, room) = (Vec::new(), READ_WORDS);
                }
            }
        }
        if !together.is_empty() {
            self.read_together(memory, &together, &mut words)?;
        }
        Ok(words)
    }

    /// Appends at most [`READ_WORDS`] of some buffers, by way of one buffer.
    fn read_together(
        &self,
        memory: &Memory,
        parts: &[(BufferId, Range<usize>)],
        words: &mut Vec<u32>,
    ) -> Result<(), GpuError> {
        let size = |range: &Range<usize>| range.len() as u64 * 4;
        let staging = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("results"),
            size: parts.iter().map(|(_, range)| size(range)).sum(),
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        let mut at = 0;
        for (BufferId(id), range) in parts {
            encoder.copy_buffer_to_buffer(&memory.0[*id], range.start as u64 * 4, &staging, at, size(range));
            at += size(range);
        }
        self.queue.submit([encoder.finish()]);
        staging.map_async(wgpu::MapMode::Read, .., |_| ());
        self.wait()?;
        let bytes = staging.get_mapped_range(..).map_err(|error| GpuError::Other(error.to_string()))?;
        let word = |bytes: &[u8]| bytes.iter().rev().fold(0, |word, &byte| word << 8 | u32::from(byte));
        words.extend(bytes.chunks(4).map(word));
        Ok(())
    }

    fn submit(&self, steps: &[&Ready]) {
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            for step in steps {
                let [x, y, z] = step.workgroups;
                pass.set_pipeline(&step.pipeline);
                pass.set_bind_group(0, &step.bind_group, &[]);
                pass.dispatch_workgroups(x, y, z);
            }
        }
        self.queue.submit([encoder.finish()]);
    }

    /// Waits for everything that was submitted.
    fn wait(&self) -> Result<(), GpuError> {
        self.poll(wgpu::PollType::wait_indefinitely())?;
        self.check()
    }

    /// Lets wgpu look after the device. It tells of a loss while it does, and then panics.
    fn poll(&self, how: wgpu::PollType) -> Result<(), GpuError> {
        let polled = caught(|| self.device.poll(how));
        match (self.shared.fault(), polled) {
            (Some(lost @ GpuError::Lost(_)), _) => Err(lost),
            (_, Err(panic)) => {
                let lost = GpuError::Lost(panic);
                self.shared.fail(lost.clone());
                Err(lost)
            }
            (_, Ok(polled)) => polled.map(drop).map_err(|error| GpuError::Other(error.to_string())),
        }
    }

    fn pipeline(&self, kernel: &'static Kernel) -> wgpu::ComputePipeline {
        let mut pipelines = lock(&self.shared.pipelines);
        pipelines.entry(kernel.name).or_insert_with(|| self.compile(kernel)).clone()
    }

    fn compile(&self, kernel: &Kernel) -> wgpu::ComputePipeline {
        let module = self.device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some(kernel.name),
            source: wgpu::ShaderSource::Wgsl(kernel.wgsl().into()),
        });
        let entry = |(binding, &access): (usize, &Access)| wgpu::BindGroupLayoutEntry {
            binding: binding as u32,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer {
                ty: match access {
                    Access::Uniform => wgpu::BufferBindingType::Uniform,
                    Access::Read => wgpu::BufferBindingType::Storage { read_only: true },
                    Access::Write => wgpu::BufferBindingType::Storage { read_only: false },
                },
                has_dynamic_offset: false,
                min_binding_size: None,
            },
            count: None,
        };
        let entries: Vec<_> = [&Access::Uniform].into_iter().chain(kernel.bindings).enumerate().map(entry).collect();
        let layout = self
            .device
            .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: Some(kernel.name), entries: &entries });
        let layout = self.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(kernel.name),
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(kernel.name),
            layout: Some(&layout),
            module: &module,
            entry_point: Some(kernel.name),
            compilation_options: wgpu::PipelineCompilationOptions::default(),
            cache: None,
        })
    }

    /// The fault, if there is one. What a lost device makes fail may be told before the loss is, so
    /// wgpu is asked for news before any other fault is believed.
    fn check(&self) -> Result<(), GpuError> {
        match self.shared.fault() {
            None => Ok(()),
            Some(lost @ GpuError::Lost(_)) => Err(lost),
            Some(fault) => self.poll(wgpu::PollType::Poll).and(Err(fault)),
        }
    }
}

impl Shared {
    /// Keeps the first fault; a loss replaces what it made fail before it was told.
    fn fail(&self, error: GpuError) {
        let mut fault = lock(&self.fault);
        if fault.is_none() || matches!(error, GpuError::Lost(_)) {
            *fault = Some(error);
        }
    }

    fn fault(&self) -> Option<GpuError> {
        lock(&self.fault).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
