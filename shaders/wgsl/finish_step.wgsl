// Ends a step: its loss, correct rows and exponents go to `results`, the exponents it asks for are
// those of the next step, and maxima and tally start again.

struct Parameters {
    sites: u32,
    // First word of the step in `results`: 3 of the tally, then used and asked for of each site.
    results: u32,
}

@group(0) @binding(0) var<uniform> p: Parameters;
@group(0) @binding(1) var<storage, read_write> maxima: array<u32>;
@group(0) @binding(2) var<storage, read_write> exponents: array<i32>;
@group(0) @binding(3) var<storage, read_write> tally: array<u32>;
@group(0) @binding(4) var<storage, read_write> results: array<u32>;

@compute @workgroup_size(64)
fn finish_step(@builtin(local_invocation_index) thread: u32) {
    for (var site = thread; site < p.sites; site += 64u) {
        let asked = exponents[2u + 3u * site];
        results[p.results + 3u + 2u * site] = bitcast<u32>(exponents[1u + 3u * site]);
        results[p.results + 4u + 2u * site] = bitcast<u32>(asked);
        exponents[3u + 3u * site] = asked;
        maxima[site] = 0u;
    }
    if thread < 3u {
        results[p.results + thread] = tally[thread];
        tally[thread] = 0u;
    }
    if thread == 3u {
        exponents[0] = 1;
    }
}
