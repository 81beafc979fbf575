// Plays a plan: buffers, what they hold at first, dispatches, and what to read in the end.
// Only WebGPU's default limits and no feature are asked for.

const log = (text) => document.getElementById("log").append(text + "\n");

async function play(plan) {
  const adapter = await navigator.gpu?.requestAdapter();
  if (!adapter) throw new Error("this browser has no WebGPU adapter");
  const device = await adapter.requestDevice();
  const faults = [];
  device.onuncapturederror = ({ error }) => faults.push(error.message);
  log(`adapter: ${adapter.info.vendor} ${adapter.info.architecture} ${adapter.info.description}`);

  const { STORAGE, UNIFORM, COPY_DST, COPY_SRC, MAP_READ } = GPUBufferUsage;
  const buffers = plan.buffers.map(({ name, words, uniform }) =>
    device.createBuffer({ label: name, size: words * 4, usage: (uniform ? UNIFORM : STORAGE) | COPY_DST | COPY_SRC }));
  for (const { buffer, words } of plan.writes) device.queue.writeBuffer(buffers[buffer], 0, Uint32Array.from(words));

  const pipelines = {};
  for (const [name, { wgsl, bindings }] of Object.entries(plan.kernels)) {
    const entries = ["uniform", ...bindings].map((type, binding) =>
      ({ binding, visibility: GPUShaderStage.COMPUTE, buffer: { type } }));
    const layout = device.createBindGroupLayout({ entries });
    pipelines[name] = {
      layout,
      pipeline: await device.createComputePipelineAsync({
        layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
        compute: { module: device.createShaderModule({ label: name, code: wgsl }), entryPoint: name },
      }),
    };
  }

  const started = performance.now();
  const encoder = device.createCommandEncoder();
  for (const { kernel, parameters, buffers: bound, workgroups } of plan.dispatches) {
    const uniform = device.createBuffer({ size: parameters.length * 4, usage: UNIFORM | COPY_DST });
    device.queue.writeBuffer(uniform, 0, Uint32Array.from(parameters));
    const { layout, pipeline } = pipelines[kernel];
    const entries = [uniform, ...bound.map((id) => buffers[id])].map((buffer, binding) =>
      ({ binding, resource: { buffer } }));
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, device.createBindGroup({ layout, entries }));
    pass.dispatchWorkgroups(...workgroups);
    pass.end();
  }
  const total = plan.reads.reduce((sum, { words }) => sum + words, 0);
  const staging = device.createBuffer({ size: total * 4, usage: MAP_READ | COPY_DST });
  let at = 0;
  for (const { buffer, first, words } of plan.reads) {
    encoder.copyBufferToBuffer(buffers[buffer], first * 4, staging, at * 4, words * 4);
    at += words;
  }
  device.queue.submit([encoder.finish()]);
  await staging.mapAsync(GPUMapMode.READ);
  const words = [...new Uint32Array(staging.getMappedRange())];
  log(`${plan.dispatches.length} dispatches in ${(performance.now() - started).toFixed(1)} ms`);
  if (faults.length) throw new Error(faults.join("; "));
  return { words };
}

const result = await fetch("plan.json").then((response) => response.json()).then(play)
  .catch((error) => ({ error: String(error) }));
log(result.error ?? "done");
await fetch("result", { method: "POST", body: JSON.stringify(result) });
