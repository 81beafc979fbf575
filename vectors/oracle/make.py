"""Writes vectors/*.json: lists of {name, input, output}; output null means "must be rejected".

Run from anywhere: python3 vectors/oracle/make.py
"""

import json
import random
from pathlib import Path

import challenge
import commit
import fixed
import keccak
import poseidon
import step
import trace

FOLDER = Path(__file__).resolve().parent.parent
MIN, MAX, WORD = -(1 << 31), (1 << 31) - 1, 1 << 30
P = poseidon.P
rng = random.Random("pogo/vectors/v1")


def element(value):
    return f"0x{value:064x}"


def write(name, cases):
    names = [case["name"] for case in cases]
    assert len(set(names)) == len(names), name
    lines = ",\n".join(json.dumps(case) for case in cases)
    (FOLDER / f"{name}.json").write_text(f"[\n{lines}\n]\n")


class Cases(list):
    def add(self, name, inputs, output):
        self.append({"name": f"{name} {len(self)}", "input": inputs, "output": output})


# --- fixed.json -------------------------------------------------------------------------------


class Calls(Cases):
    """Cases of functions of `fixed`: input is {function, args..}, output what the function says."""

    def call(self, function, **args):
        self.add(function, {"function": function, **args}, getattr(fixed, function)(**args))

    def softmax(self, logits, target):
        errors, loss = fixed.softmax_row(logits, target)
        arguments = {"function": "softmax_row", "logits": logits, "target": target}
        self.add("softmax_row", arguments, {"errors": errors, "loss": loss})

    def block(self, weights, st):
        scale, codes = fixed.quantize_block(weights, st)
        arguments = {"function": "quantize_block", "weights": weights, "st": st}
        self.add("quantize_block", arguments, {"scale": scale, "codes": codes})


def any_i32():
    return rng.choice([rng.randint(MIN, MAX), rng.randint(-300, 300), rng.randint(-(1 << 20), 1 << 20)])


def word():
    return rng.choice([rng.randint(-WORD, WORD - 1), rng.randint(-300, 300)])


def gradient():
    return rng.choice([rng.randint(1 - WORD, WORD - 1), rng.randint(-300, 300)])


def shifts(calls):
    values = [MIN, MIN + 1, -WORD, -129, -3, -2, -1, 0, 1, 2, 3, 128, WORD - 1, WORD, MAX]
    for s in [MIN, -33, -32, -31, -30, -1, 0, 1, 2, 30, 31, 32, 33, MAX]:
        for x in values:
            calls.call("rshn", x=x, s=s)
        for x in [MIN, -1, 0, 1, MAX]:
            for r in [0, 1 << 31, (1 << 32) - 1]:
                calls.call("rsr", x=x, s=s, r=r)
    for _ in range(100):
        calls.call("rshn", x=any_i32(), s=rng.randint(-34, 34))
        calls.call("rsr", x=any_i32(), s=rng.randint(-34, 34), r=rng.randrange(1 << 32))
    for x in [MIN, -8, -7, -1, 0, 1, 7, 8, MAX]:
        for d in [1, 2, 7, MAX]:
            calls.call("floor_div", x=x, d=d)


def generators(calls):
    edges = [0, 1, 255, 256, 257, 1 << 16, (1 << 31) - 1, 1 << 31, (1 << 32) - 1]
    for x in edges + [rng.randrange(1 << 32) for _ in range(20)]:
        calls.call("bit_length", m=x)
        calls.call("byte_shift", max_abs=x)
        calls.call("pcg", x=x)
    for i in edges:
        for k in [0, 5, (1 << 32) - 1]:
            calls.call("dither", key=k, i=i)
    for seed, step, site in [(0, 0, 0), (1, 2, 3)] + [[rng.randrange(1 << 32) for _ in range(3)] for _ in range(10)]:
        calls.call("key", seed=seed, step=step, site=site)


def rescaling(calls):
    for acc in [MIN, -255, -254, -128, -127, -1, 0, 1, 127, 128, 254, 255, MAX]:
        for shift in [-40, -1, 0, 1, 24, 31, 32]:
            calls.call("requantize", acc=acc, shift=shift)
            calls.call("requantize_stochastic", acc=acc, shift=shift, r=rng.randrange(1 << 32))
    for acc in [MIN, -5, 0, 5, 1 << 22, MAX]:
        for e in [-1000, -40, -39, -14, -9, -8, -7, 0, 1000]:
            calls.call("logit", acc=acc, e=e)
            calls.call("align_gradient", g=acc, e=e - 24)
    for _ in range(40):
        calls.call("requantize", acc=any_i32(), shift=rng.randint(-2, 24))
        calls.call("requantize_stochastic", acc=any_i32(), shift=rng.randint(-2, 24), r=rng.randrange(1 << 32))
        calls.call("logit", acc=any_i32(), e=rng.randint(-30, 4))
        calls.call("align_gradient", g=any_i32(), e=rng.randint(-50, -10))


def softmax(calls):
    limit = 1 << 22
    calls.add("table", {"function": "table", "table": "EXP"}, fixed.EXP)
    calls.add("table", {"function": "table", "table": "LN"}, fixed.LN)
    for row in [[0], [7, 7], [limit, -limit], [-limit, limit], [0, -4095, -4096, -4097], [-limit] * 5]:
        for target in range(len(row)):
            calls.softmax(row, target)
    for classes in [2, 3, 10, 63, 300]:
        for spread in [3, 700, 5000]:
            calls.softmax([rng.randint(-spread, spread) for _ in range(classes)], rng.randrange(classes))


def optimizer(calls):
    top = WORD - 1
    for m in [-WORD, -1, 0, 1, top]:
        for ga in [-top, -5, -4, 0, 3, 4, top]:
            calls.call("momentum", m=m, ga=ga)
    for row in [[0] * 64, [top] * 64, [-top] * 64, [63, -63, 64, -64] * 16, [gradient() for _ in range(64)]]:
        calls.call("leaf_gradient_sum", gradient=row)
    for v in [None, 0, 15, 16, 1000, top]:
        for a in [0, 1, 15, 16, 17, top]:
            calls.call("scale_average", v=v, a=a)
    for v in sorted({0, top} | {(1 << k) + d for k in range(30) for d in (-1, 0)}):
        calls.call("code_shift", v=v)
    codes(calls)


def codes(calls):
    top, fastest = WORD - 1, (1 << 26) - 1
    for m in [-WORD, -121, -120, -105, -104, -8, -9, 0, 7, 8, 103, 104, 119, 120, top]:
        calls.call("code", m=m, shift=4, w=0, learning_rate=1)
        calls.call("code", m=m, shift=27, w=0, learning_rate=fastest)
    for w in [-WORD, 6 - WORD, 7 - WORD, top - 7, top - 6, top]:
        for m in [-WORD, -16, 0, 16, top]:
            calls.call("code", m=m, shift=4, w=w, learning_rate=1)
            calls.call("code", m=m, shift=4, w=w, learning_rate=fastest)
    for _ in range(60):
        m, shift, w, rate = word(), rng.randint(4, 27), word(), rng.randint(1, fastest)
        calls.call("code", m=m, shift=shift, w=w, learning_rate=rate)
        calls.call("update", w=w, u=rng.randint(-7, 7), learning_rate=rate)
        calls.call("momentum", m=m, ga=gradient())


def blocks(calls):
    for st in range(1, 25):
        for d in (0, 1):
            calls.call("block_exponent", max_abs=min(126 * 2**st + d, WORD))
    calls.call("block_exponent", max_abs=0)
    for st in [1, 7, 24]:
        one = 7 * 2**st
        for largest in sorted({0, 1, one, one + 1, min(18 * one, WORD), min(18 * one + 1, WORD)}):
            spread = [rng.randint(-largest, largest) for _ in range(30)]
            calls.block([-largest] + spread + [min(largest, WORD - 1)], st)
    for _ in range(10):
        weights = [rng.randint(-WORD, WORD - 1) >> rng.randint(0, 24) for _ in range(32)]
        calls.block(weights, fixed.block_exponent(max(map(abs, weights))))
    calls.block([-WORD] * 16 + [WORD - 1] * 16, 1)


def fixed_cases():
    calls = Calls()
    for group in [shifts, generators, rescaling, softmax, optimizer, blocks]:
        group(calls)
    return calls


# --- the task: learning rates, first weights, order of the batches ------------------------------


def task_cases():
    cases = Cases()
    for peak, schedule, warmup, steps in [(1000, "linear", 10, 100), (1, "linear", 3, 7), ((1 << 26) - 1, "constant", 5, 6), (77, "constant", 0, 1)]:
        rates = [fixed.learning_rate(peak, schedule, warmup, steps, t) for t in range(steps)]
        inputs = {"peak": peak, "schedule": schedule, "warmup": warmup, "steps": steps}
        cases.add("learning_rates", {"function": "learning_rates", **inputs}, rates)
    for seed, layers in [(7, [70, 2, 3]), ((1 << 64) - 1, [1, 1]), (0, [5, 9])]:
        shapes = list(zip(layers[1:], layers))
        weights = [fixed.initial_weights(seed, l, *shape) for l, shape in enumerate(shapes)]
        cases.add("initial_weights", {"function": "initial_weights", "seed": seed, "layers": layers}, weights)
    for number, records, batch, steps in [(0, 10, 4, [0, 1, 2, 5]), ((1 << 64) - 1, 33, 32, [0, 1]), (3, 8, 8, [0, 1]), (1, 1, 1, [0, 9])]:
        task, parent, miner = rng.randbytes(32), rng.randbytes(32), rng.randbytes(20)
        round_ = fixed.round_bytes(task, number, parent, miner)
        who = {"task": task.hex(), "round": number, "parent_root": parent.hex(), "miner": miner.hex()}
        cases.add("dither_seed", {"function": "dither_seed", **who}, fixed.dither_seed(round_))
        for t in steps:
            inputs = {"function": "batch_indices", **who, "records": records, "batch": batch, "t": t}
            cases.add("batch_indices", inputs, fixed.batch_indices(round_, records, batch, t))
    who = {"task": "00" * 32, "round": 0, "parent_root": "00" * 32, "miner": "00" * 20}
    cases.add("batch_indices", {"function": "batch_indices", **who, "records": 31, "batch": 32, "t": 0}, None)
    for schedule, trace_mode, every in [("constant", "none", 1), ("linear", "every", 1), ("linear", "challenged", 1), ("constant", "challenged", 5)]:
        spec = {
            "name": "task é",
            "layers": [784, 128, 10],
            "batch": 64,
            "steps": 300,
            "checkpoint_every": every,
            "learning_rate": (1 << 26) - 1,
            "schedule": schedule,
            "warmup": 30,
            "seed": (1 << 64) - 2,
            "trace": trace_mode,
            "data_root": keccak.keccak256(b"data").hex(),
        }
        encoded = fixed.spec_bytes(**spec)
        output = {"bytes": encoded.hex(), "hash": keccak.keccak256(encoded).hex()}
        cases.add("spec", {"function": "spec", **spec}, output)
    for trace_mode, every in [("none", 5), ("every", 5), ("challenged", 7), ("challenged", 0)]:
        cases.add("spec", {"function": "spec", **spec, "trace": trace_mode, "checkpoint_every": every}, None)
    return cases


# --- poseidon.json ----------------------------------------------------------------------------


def poseidon_cases():
    cases = Cases()
    triples = [(0, 1, 2), (0, 0, 0), (P - 1, P - 1, P - 1), (1, P - 1, 0), (17, (1 << 248) - 1, 1 << 253)]
    triples += [[rng.randrange(P) for _ in range(3)] for _ in range(30)]
    for tag, a, b in triples:
        inputs = {"tag": element(tag), "a": element(a), "b": element(b)}
        cases.add("hash", inputs, element(poseidon.hash2(tag, a, b)))
    for tag, a, b in [(P, 0, 0), (0, P, 0), (0, 0, P + 1), (0, 0, (1 << 256) - 1)]:
        cases.add("not canonical", {"tag": element(tag), "a": element(a), "b": element(b)}, None)
    for length in [0, 1, 2, 3, 8, 9]:
        message = [rng.randrange(P) for _ in range(length)]
        inputs = {"tag": element(length), "message": [element(m) for m in message]}
        cases.add("sponge", inputs, element(poseidon.sponge(length, message)))
    return cases


# --- leaf.json --------------------------------------------------------------------------------


def attempt(function, *args):
    try:
        return element(function(*args))
    except commit.Rejected:
        return None


def altered(values, index, value):
    return values[:index] + [value] + values[index + 1 :]


def leaf_cases():
    cases = Cases()
    extremes = [-WORD, WORD - 1] * 32
    words = [[0] * 64, [-WORD] * 64, [WORD - 1] * 64, extremes, [word() for _ in range(64)]]
    words += [altered([0] * 64, i, bad) for i in (0, 7, 8, 63) for bad in (-WORD - 1, WORD, MIN, MAX)]
    for row in words:
        cases.add("weights", {"kind": "weights", "weights": row}, attempt(commit.weights_hash, row))
    for row, scale in [(row, rng.randrange(WORD)) for row in words] + [(words[0], s) for s in (0, WORD - 1, WORD, -WORD, -WORD - 1)]:
        inputs = {"kind": "momenta", "momenta": row, "scale": scale}
        cases.add("momenta", inputs, attempt(commit.momenta_hash, row, scale))
    for row in words[:5]:
        momenta = [word() for _ in range(64)]
        inputs = {"kind": "state", "weights": row, "momenta": momenta, "scale": 12345}
        cases.add("state", inputs, attempt(commit.state_leaf, row, momenta, 12345))
    codes = [[0] * 64, [7] * 64, [-7] * 64, [rng.randint(-7, 7) for _ in range(64)]]
    codes += [altered([0] * 64, i, bad) for i in (0, 63) for bad in (8, -8, 127, -128)]
    for row in codes:
        cases.add("update", {"kind": "update", "codes": row}, attempt(commit.update_leaf, row))
    for row in codes:
        inputs = {"kind": "quantized", "codes": row, "scales": [1, 18]}
        cases.add("quantized", inputs, attempt(commit.quantized_leaf, row, [1, 18]))
    for scales in [[18, 1], [0, 1], [1, 0], [19, 1], [1, 19], [255, 255], [9, 9]]:
        inputs = {"kind": "quantized", "codes": codes[3], "scales": scales}
        cases.add("quantized", inputs, attempt(commit.quantized_leaf, codes[3], scales))
    for label, width in [(0, 1), (65535, 31), (9, 64), (3, 65), (1, 784)]:
        features = [rng.randint(-128, 127) for _ in range(width)]
        inputs = {"kind": "data", "label": label, "features": features}
        cases.add("data", inputs, attempt(commit.data_record, label, features))
    for row in [[0] * 64, [127] * 64, [-127] * 64, [rng.randint(-127, 127) for _ in range(64)]]:
        cases.add("trace bytes", {"kind": "bytes", "bytes": row}, attempt(commit.bytes_leaf, row))
    for row in words:
        cases.add("trace words", {"kind": "words", "words": row}, attempt(commit.words_leaf, row))
    return cases


# --- merkle.json ------------------------------------------------------------------------------


def tree_cases(cases):
    trees = [(0, []), (0, [0]), (1, [1]), (3, []), (3, [0]), (3, [7]), (3, range(8)), (4, [0, 1, 2, 5, 11])]
    trees += [(12, [0, 1, 4095]), (18, [0, 300, 301]), (24, [5, 1796])]
    for depth, positions in trees:
        leaves = {position: rng.randrange(1, P) for position in positions}
        listed = [{"position": position, "hash": element(leaf)} for position, leaf in leaves.items()]
        inputs = {"kind": "root", "depth": depth, "leaves": listed}
        root = commit.tree_root(depth, leaves)
        cases.add("root", inputs, element(root))
        for position in list(leaves)[:3] + [(1 << depth) - 1]:
            siblings = commit.path(depth, leaves, position)
            assert commit.root_of(leaves.get(position, 0), position, siblings) == root
            inputs = {"kind": "path", "depth": depth, "leaves": listed, "position": position}
            cases.add("path", inputs, [element(sibling) for sibling in siblings])


def layout_cases(cases):
    models = [
        (18, [(64, 64), (10, 64)]),
        (18, [(1, 1)]),
        (18, [(3, 65), (5, 3), (1, 200)]),
        (18, [(256, 784), (128, 256), (10, 128)]),
        (6, [(64, 64)]),
        (6, [(65, 64)]),
        (6, [(1, 1), (64, 64)]),
        (7, [(1, 1), (64, 64)]),
        (7, [(1, 1), (65, 65)]),
    ]
    for depth, shapes in models:
        inputs = {"kind": "layout", "depth": depth, "shapes": shapes}
        try:
            leaves = commit.layout_leaves(depth, shapes)
        except commit.Rejected:
            cases.add("layout", inputs, None)
            continue
        sampled = sorted({0, 1, 2, len(leaves) // 2, len(leaves) - 2, len(leaves) - 1} & set(range(len(leaves))))
        inputs["sampled"] = sampled
        tree = rng.randrange(P)
        inputs["tree_root"] = element(tree)
        layout = commit.layout_element(depth, shapes)
        tags = [commit.STATE_ROOT, commit.UPDATE_ROOT, commit.QUANTIZED_ROOT]
        output = {
            "leaf_count": len(leaves),
            "places": [list(leaves[leaf]) for leaf in sampled],
            "element": element(layout),
            "roots": [element(poseidon.hash2(tag, tree, layout)) for tag in tags],
        }
        cases.add("layout", inputs, output)


def record_cases(cases):
    state, update, trace_root = [rng.randrange(P) for _ in range(3)]
    deep = [rng.randint(-2048, 2048) for _ in range(3 * 63 - 1)]
    records = [
        (0, state, 0, 0, 0, [], []),
        (1, state, update, trace_root, 1 << 40, [], [17, -20]),
        (2, state, update, 0, 5, [0, 24, -3, -20, 2048], [1, 2, 3, 4, -2048]),
        ((1 << 32) - 1, P - 1, P - 1, P - 1, (1 << 64) - 1, deep, deep[::-1]),
    ]
    for index, state, update, trace_root, loss, used, following in records:
        inputs = {
            "kind": "record",
            "index": index,
            "state_root": element(state),
            "update_root": element(update),
            "trace_root": element(trace_root),
            "loss": loss,
            "exponents": used,
            "next_exponents": following,
        }
        output = commit.record_hash(state, update, trace_root, loss, used, following)
        cases.add("record", inputs, element(output))
    for count in [1, 401, (1 << 32) - 1]:
        tree = rng.randrange(P)
        inputs = {"kind": "steps", "tree_root": element(tree), "count": count}
        cases.add("steps", inputs, element(commit.steps_root(tree, count)))
        inputs = {"kind": "data", "tree_root": element(tree), "count": count}
        cases.add("data", inputs, element(poseidon.hash2(commit.DATA_ROOT, tree, count)))


def merkle_cases():
    cases = Cases()
    tree_cases(cases)
    layout_cases(cases)
    record_cases(cases)
    return cases


# --- challenge.json ---------------------------------------------------------------------------


def challenge_cases():
    cases = Cases()
    sizes = [(1, 1, 1), (1, 1, 5), (400, 84, 96), (3, 4, 12), (3, 4, 11), (3, 4, 13), (4000, 250_000, 40), (2, 5, 0), (7, 3, 2)]
    for steps, leaves, samples in sizes:
        beacon, commitment = rng.randbytes(32), rng.randbytes(32)
        for kind, universe in [("update", steps * leaves), ("quantize", leaves)]:
            inputs = {
                "kind": kind,
                "beacon": beacon.hex(),
                "commitment": commitment.hex(),
                "steps": steps,
                "leaf_count": leaves,
                "s": samples,
            }
            cases.add(kind, inputs, challenge.draw(kind, beacon, commitment, universe, samples))
    for steps, every, samples in [(40, 2, 8), (40, 2, 32), (3000, 10, 8), (300, 300, 8), (16, 2, 8)]:
        beacon, commitment = keccak.keccak256(b"beacon"), keccak.keccak256(b"commitment")
        inputs = {
            "kind": "segment",
            "beacon": beacon.hex(),
            "commitment": commitment.hex(),
            "steps": steps,
            "checkpoint_every": every,
            "s": samples,
        }
        cases.add("segment", inputs, challenge.draw("segment", beacon, commitment, steps // every, samples))
    return cases


# --- steps.json -------------------------------------------------------------------------------


def training(cases, name, layers, batch, steps, learning_rate, schedule="constant", warmup=0, pick=None, count=4):
    """A case of `count` steps of a round of `steps`; `pick(t)` draws a feature of step `t`."""
    pick = pick or (lambda t: rng.randint(-127, 127))
    batches = [
        {
            "features": [pick(t) for _ in range(batch * layers[0])],
            "labels": [rng.randrange(layers[-1]) for _ in range(batch)],
        }
        for t in range(count)
    ]
    inputs = {
        "layers": layers,
        "batch": batch,
        "learning_rate": learning_rate,
        "schedule": schedule,
        "warmup": warmup,
        "steps": steps,
        "seed": rng.randrange(1 << 64),
        "dither_seed": rng.randrange(1 << 32),
        "depth": 18,
        "trace_depth": 24,
        "batches": batches,
    }
    cases.add(name, inputs, trained(**inputs))


def trained(layers, batch, learning_rate, schedule, warmup, steps, seed, dither_seed, depth, trace_depth, batches):
    state, records = step.State(layers, seed), []
    layout = commit.layout_element(depth, state.shapes)
    for t, rows in enumerate(batches):
        features, labels = step.in_rows(rows["features"], layers[0]), rows["labels"]
        assert len(features) == len(labels) == batch
        rate = fixed.learning_rate(learning_rate, schedule, warmup, steps, t)
        tensors = trace.tensors(state, features, labels, t, dither_seed)
        loss, used, asked, codes = step.step(state, features, labels, rate, t, dither_seed)
        record = {
            "loss": loss,
            "trace_root": element(trace.trace_root(trace_depth, layout, tensors)),
            "exponents": step.listed(used),
            "next_exponents": step.listed(asked),
            "state_root": element(step.state_root(depth, state)),
            "update_root": element(step.update_root(depth, state.shapes, codes)),
        }
        records.append(record)
    exponents, codes, scales = step.quantize(state)
    loss, correct = step.evaluate(step.expand(exponents, codes, scales), state.exponents, features, labels)
    return {
        "steps": records,
        "quantized_exponents": exponents,
        "quantized_root": element(step.quantized_root(depth, state.shapes, codes, scales)),
        "evaluation": {"loss": loss, "correct": correct},
    }


def steps_cases():
    cases, far = Cases(), lambda t: rng.choice([-127, 127])
    training(cases, "one hidden layer", [20, 12, 5], 8, 100, 40_000, "linear", 2)
    training(cases, "no hidden layer, a batch of one", [70, 3], 1, 4, 1 << 20, "linear")
    training(cases, "rows of three leaves", [3, 130, 2], 16, 10, 100_000, warmup=3)
    training(cases, "three hidden layers", [9, 33, 17, 65, 4], 4, 5, 200_000, count=3)
    training(cases, "features come and go", [5, 4, 3], 2, 4, 300_000, pick=lambda t: t % 2 * rng.randint(-127, 127))
    training(cases, "values saturate", [12, 70, 6, 3], 4, 4, (1 << 26) - 1, pick=far)
    training(cases, "weights at their limit", [70, 3], 4, 4, (1 << 26) - 1, pick=far)
    training(cases, "one class", [2, 1], 2, 3, 1, count=3)
    return cases


if __name__ == "__main__":
    poseidon.check()
    keccak.check()
    write("fixed", fixed_cases())
    write("task", task_cases())
    write("poseidon", poseidon_cases())
    write("leaf", leaf_cases())
    write("merkle", merkle_cases())
    write("challenge", challenge_cases())
    write("steps", steps_cases())
