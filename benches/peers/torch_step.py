"""Step, float32 peer: CPU seconds of one training step in PyTorch, beside `cargo bench --bench step`.

    python3 benches/peers/torch_step.py

The same nets and batches as ../step.rs: a ReLU MLP without biases, cross entropy, SGD with momentum,
all in float32. A figure is the CPU time of the process over a step, the least of a few runs. On CUDA,
where there is one, it is the running time, since the device does the work. A torch that is built on
OpenBLAS leaves it threads of its own: set OPENBLAS_NUM_THREADS=1 for the figures of one thread.
"""

import time

import torch

SHAPES = [
    ((64, 64, 10), 64, 200),
    ((784, 256, 128, 10), 64, 50),
    ((1024, 1024, 1024, 10), 1024, 3),
]
RUNS = 7


def net(layers, device):
    parts = []
    for wide, narrow in zip(layers, layers[1:]):
        parts += [torch.nn.Linear(wide, narrow, bias=False, device=device), torch.nn.ReLU()]
    return torch.nn.Sequential(*parts[:-1])


def stepper(layers, batch, device):
    """A function that makes one step."""
    torch.manual_seed(1)
    model = net(layers, device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.875)
    loss = torch.nn.CrossEntropyLoss()
    x = torch.rand(batch, layers[0], device=device)
    y = torch.randint(layers[-1], (batch,), device=device)

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss(model(x), y).backward()
        optimizer.step()

    return step


def least(step, steps, clock, wait):
    """Least seconds of a step by `clock`, over RUNS runs of `steps` steps, after one to warm up."""
    seconds = []
    for _ in range(RUNS + 1):
        wait()
        start = clock()
        for _ in range(steps):
            step()
        wait()
        seconds.append((clock() - start) / steps)
    return min(seconds[1:])


def row(layers, batch, where, seconds, unit):
    print(f"| torch {torch.__version__}, {where}, {'-'.join(map(str, layers))}, batch {batch} "
          f"| {seconds * 1e3:.4f} | {unit} a step |", flush=True)


def main():
    print("\n### step, float32\n| what | value | unit |\n|---|---|---|")
    for threads in (1, 2):
        torch.set_num_threads(threads)
        for layers, batch, steps in SHAPES:
            seconds = least(stepper(layers, batch, "cpu"), steps, time.process_time, lambda: None)
            row(layers, batch, f"CPU, {threads} thread{'s' * (threads > 1)}", seconds, "CPU ms")
    if torch.cuda.is_available():
        name = torch.cuda.get_device_name()
        for layers, batch, steps in SHAPES:
            step = stepper(layers, batch, "cuda")
            row(layers, batch, name, least(step, 100, time.perf_counter, torch.cuda.synchronize), "ms")


if __name__ == "__main__":
    main()
