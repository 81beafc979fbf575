"""float32 momentum SGD of the same net, first weights, batches and steps as the integer training.

python3 float_sgd.py DATA LAYERS BATCH STEPS WARMUP SCHEDULE SEEDS RATES
python3 float_sgd.py digits 64,64,10 64 300 20 linear 1,2,3,4,5 0.03,0.1,0.3
The integer learning rate is part of the batch order's key; it is taken as 65536 (only the order
depends on it). Momentum 0.9, loss mean over the batch.
"""
import sys

import numpy as np
from common import Spec, batches, first_weights, load

F = np.float32


def forward(weights, x):
    activations = [x]
    for w in weights[:-1]:
        activations.append(np.maximum(activations[-1] @ w.T, 0))
    return activations, activations[-1] @ weights[-1].T


def softmax(z):
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def train(spec, order, data, rate):
    x, y = data[0][0].astype(F) / 128, data[0][1]
    weights = [(w / 2.0**24).astype(F) for w in first_weights(spec)]
    velocity = [np.zeros_like(w) for w in weights]
    for t in range(spec.steps):
        rows = order[t]
        activations, z = forward(weights, x[rows])
        error = softmax(z)
        error[np.arange(len(rows)), y[rows]] -= 1
        error /= len(rows)
        step = F(rate * spec.learning_rate(t) / spec.rate)
        for l in range(len(weights) - 1, -1, -1):
            gradient = error.T @ activations[l]
            error = (error @ weights[l]) * (activations[l] > 0)
            velocity[l] = F(0.9) * velocity[l] + gradient
            weights[l] = weights[l] - step * velocity[l]
    return [measure(weights, *part) for part in data]


def measure(weights, x, y):
    _, z = forward(weights, x.astype(F) / 128)
    p = softmax(z.astype(np.float64))
    return -np.log(p[np.arange(len(y)), y]).mean(), 100 * (z.argmax(1) == y).mean()


if __name__ == "__main__":
    source, layers, batch, steps, warmup, schedule, seeds, rates = sys.argv[1:]
    data = load(source)
    results = {}
    for seed in map(int, seeds.split(",")):
        net = [int(w) for w in layers.split(",")]
        spec = Spec(net, int(batch), int(steps), 65536, int(warmup), schedule, seed)
        stream = batches(spec, len(data[0][1]))
        order = [next(stream) for _ in range(spec.steps)]
        for rate in map(float, rates.split(",")):
            results.setdefault(rate, []).append(train(spec, order, data, rate))
    for rate, runs in results.items():
        train_loss, _ = np.mean([run[0] for run in runs], axis=0)
        loss, accuracy = np.mean([run[1] for run in runs], axis=0)
        worst = min(run[1][1] for run in runs)
        print(f"rate {rate}: train loss {train_loss:.4f}, test loss {loss:.4f}, accuracy {accuracy:.2f} % (lowest {worst:.2f})")
