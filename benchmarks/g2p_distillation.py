r"""Students of g2p that learn from an ensemble of teachers, on a GPU in minutes: the builder on Keras's JAX backend.

    python benchmarks/g2p_distillation.py tokens tokens.npz
    KERAS_BACKEND=jax python benchmarks/g2p_distillation.py teachers tokens.npz teachers.npz
    KERAS_BACKEND=jax python benchmarks/g2p_distillation.py student tokens.npz teachers.npz student.npz
    KERAS_BACKEND=jax python benchmarks/g2p_distillation.py student tokens.npz teachers.npz small.npz \
        --units 240 --embedding-dim 64 --epochs 25 --learning-rate 0.003
    python benchmarks/g2p_distillation.py export teachers.npz student.npz --workdir runs/student
    python benchmarks/g2p_distillation.py export teachers.npz small.npz --workdir runs/small --export-dir runs/models

It is like `train g2p` with several seeds and then `train g2p --teachers ... --sampled ...`, but all teachers together
transcribe the sampled words, not the first; the last epoch is kept, not the best; and what has more than 24 steps is
left out. Only the first and the last commands need TensorFlow. Errors are counted in whole words, by greedy search on
the validation split; the last commands make a student a trained model of the recipe, score it on the test split and
write its figures and those of its teachers into `results/`.
"""

import argparse
import functools
import importlib.metadata
import json
import time
from pathlib import Path

import numpy as np
from earlier import earlier

from keras_refs.datasets.alignment import BOUNDARY

RESULTS = Path(__file__).parents[1] / "results" / "g2p_distillation.json"
LENGTHS = (8, 12, 16, 24)
"""Steps that sequences are padded to; longer ones, one in 100,000 of the training pairs, are left out."""
SETTINGS = ("units", "embedding_dim", "dropout", "epochs", "learning_rate")
"""Arguments that a record holds."""


def write_tokens(arguments):
    """Write the tokens of the training and validation split, and of strings sampled from the former."""
    from keras_refs import datasets
    from keras_refs.recipes import g2p

    config = g2p.Config()
    data = datasets.load_transcriptions(**vars(config.data), separator=" ", simplify=g2p.without_stress)
    splits = {"train": data.token_pairs(data.train), "validation": data.token_pairs(data.validation)}
    strings = datasets.sample_strings(
        data.train.sources, arguments.sampled * len(data.train.sources), config.compute.seed
    )
    arrays = {f"{name}_{side}": each for name, pair in splits.items() for side, each in enumerate(pair)}
    arrays |= {"sampled": data.source_symbols.tokens(strings).numpy()}
    numbers = {"symbols": (data.source_symbols.size, data.target_symbols.size), "tries": arguments.sampled}
    np.savez_compressed(arguments.tokens, **numbers, **{name: each.astype("int8") for name, each in arrays.items()})


def build(symbols, units, embedding_dim, dropout, count=1):
    """Return networks of the recipe's kind, which differ in their initial weights and dropout."""
    import keras

    from keras_refs import models

    networks = []
    for seed in range(count):
        keras.utils.set_random_seed(seed)
        sizes = {"units": (units, units), "embedding_dim": embedding_dim, "bidirectional": True}
        networks.append(models.attention_seq2seq(*map(int, symbols), dropout=dropout, use_cudnn=False, **sizes))
    return networks


def by_length(sources, targets):
    """Return, for each of `LENGTHS`, the tokens of the pairs that it is the shortest for, padded to it."""
    longest = np.maximum(*(np.count_nonzero(tokens, axis=1) for tokens in (sources, targets)))
    buckets, least = [], 0
    for length in LENGTHS:
        rows = np.flatnonzero((longest > least) & (longest <= length))
        buckets.append([_padded(tokens[rows], length) for tokens in (sources, targets)])
        least = length
    return buckets


def _padded(tokens, steps):
    tokens = tokens[:, :steps].astype("int32")
    return np.pad(tokens, [(0, 0), (0, steps - tokens.shape[1])])


def inputs_of(sources, targets):
    """Return what the network reads: at each step the target up to the step before."""
    import jax.numpy as jnp

    previous = jnp.pad(targets[:, :-1], [(0, 0), (1, 0)], constant_values=BOUNDARY)
    return {"source": sources, "target": jnp.where(targets != 0, previous, 0)}


def train(networks, buckets, arguments, report, more, batch_size=256, smoothing=0.1):
    """Train networks of one kind side by side; write their averaged weights, stacked, and a record beside them.

    Each of `buckets` has sources and targets, and probabilities to learn in place of the targets, if there are any.
    `report` is a function of the averaged weights that returns figures, `more` what else the record holds as settings.
    """
    import jax
    import jax.numpy as jnp
    import keras

    steps = sum(len(bucket[0]) // batch_size for bucket in buckets)
    epochs, learning_rate = arguments.epochs, arguments.learning_rate
    schedule = keras.optimizers.schedules.CosineDecay(
        learning_rate / 10, max(1, (epochs - 1) * steps), warmup_target=learning_rate, warmup_steps=steps
    )

    network = networks[0]
    optimizer = keras.optimizers.Adam(schedule, clipnorm=1.0, use_ema=True, ema_momentum=1 - 1 / steps)
    optimizer.build(network.trainable_variables)
    # The optimizer begins with the same state for all.
    groups = [(each.trainable_variables, each.non_trainable_variables, optimizer.variables) for each in networks]
    state = jax.tree.map(lambda *each: jnp.stack([variable.value for variable in each]), *groups)
    averages = [
        next(number for number, each in enumerate(optimizer.variables) if each is average)
        for average in optimizer._model_variables_moving_average
    ]

    def loss_of(trainable, fixed, inputs, targets, learned):
        probabilities, fixed = network.stateless_call(trainable, fixed, inputs, training=True)
        losses = -jnp.sum(learned * jnp.log(jnp.maximum(probabilities, 1e-7)), axis=-1)
        is_token = targets != 0
        return jnp.sum(losses * is_token) / jnp.sum(is_token), fixed

    @functools.partial(jax.jit, donate_argnums=0)
    def step(state, bucket, rows):
        sources, targets, *learned = (array[rows] for array in bucket)
        symbols = network.output_shape[-1]
        if learned:
            (learned,) = learned
        else:
            learned = jax.nn.one_hot(targets, symbols) * (1 - smoothing) + smoothing / symbols
        inputs = inputs_of(sources, targets)

        def of_one(trainable, fixed, optimized):
            gradient_of = jax.value_and_grad(loss_of, has_aux=True)
            (loss, fixed), gradients = gradient_of(trainable, fixed, inputs, targets, learned.astype("float32"))
            trainable, optimized = optimizer.stateless_apply(optimized, gradients, trainable)
            return (trainable, fixed, optimized), loss

        return jax.vmap(of_one)(*state)

    record = {
        "ran_on": {
            "device": jax.devices()[0].device_kind,
            "versions": {name: importlib.metadata.version(name) for name in ("keras", "jax", "numpy")},
        },
        "settings": {**{name: vars(arguments)[name] for name in SETTINGS}, **more},
        "parameters": network.count_params(),
        "examples": sum(len(bucket[0]) for bucket in buckets),
        "history": [],
    }
    buckets, rng = [jax.device_put(bucket) for bucket in buckets], np.random.default_rng(0)
    for epoch in range(1, epochs + 1):
        began = time.monotonic()
        batches, losses = [], []
        for number, bucket in enumerate(buckets):
            order = rng.permutation(len(bucket[0]))[: len(bucket[0]) // batch_size * batch_size]
            batches += [(number, rows) for rows in order.reshape(-1, batch_size)]
        for place in rng.permutation(len(batches)):
            number, rows = batches[place]
            state, loss = step(state, buckets[number], rows)
            losses.append(loss)
        loss = float(jnp.mean(jnp.stack(losses)))
        line = {"epoch": epoch, "seconds": round(time.monotonic() - began, 1), "loss": round(loss, 4)}
        record["history"].append(line)
        if epoch % 5 == 0 or epoch == epochs:
            weights = [state[2][number] for number in averages]
            line |= report(weights)
            # Exports of this recipe hold float16, too.
            np.savez(arguments.output, *(np.asarray(each, "float16") for each in weights))
            arguments.output.with_suffix(".json").write_text(json.dumps(record, indent=2), encoding="utf-8")
        print(json.dumps(line), flush=True)


def decoder(network):
    """Return a compiled function of stacked weights and sources: the symbols of greedy search by their mean."""
    import jax
    import jax.numpy as jnp
    import keras

    from keras_refs.models import seq2seq_parts

    encoder, advance = seq2seq_parts(network)

    def call(part, weights, inputs):
        with keras.StatelessScope(zip(network.trainable_variables, weights, strict=True)):
            return part(inputs, training=False)

    @jax.jit
    def decode(weights, sources):
        encoded = jax.vmap(lambda each: call(encoder, each, sources))(weights)

        def move(carry, _):
            symbol, ended, states = carry

            def of_one(each, states):
                return call(advance, each, {"symbol": symbol, **states})

            outputs = jax.vmap(of_one)(weights, states)
            best = jnp.argmax(jnp.mean(outputs["probabilities"], axis=0), axis=-1).astype("int32")
            best = jnp.where(ended, 0, best)
            states = {**states, "hidden": outputs["hidden"], "cell": outputs["cell"]}
            return (best, ended | (best == BOUNDARY), states), best

        first = jnp.full(sources.shape[0], BOUNDARY, "int32")
        _, symbols = jax.lax.scan(move, (first, first != BOUNDARY, encoded), length=LENGTHS[-1])
        return symbols.T

    return decode


def in_batches(function, arrays, batch_size):
    """Return what a compiled function returns for all rows of arrays, from batches of one size, the last filled up."""
    count = len(arrays[0])
    filled = [np.pad(array, [(0, -count % batch_size), (0, 0)]) for array in arrays]
    starts = range(0, count, batch_size)
    parts = [function(*(array[start : start + batch_size] for array in filled)) for start in starts]
    return np.concatenate([np.asarray(part) for part in parts])[:count]


def transcribe(decode, weights, sources):
    """Return the symbols for all sources."""
    return in_batches(functools.partial(decode, weights), [_padded(sources, LENGTHS[-1])], 1000)


def word_error_rate(decode, weights, sources, targets):
    """Return the fraction of words for which none of the targets is found."""
    words = {}
    for source, target in zip(sources, _padded(targets, LENGTHS[-1]), strict=True):
        words.setdefault(bytes(source), (source, set()))[1].add(target.tobytes())
    found = transcribe(decode, weights, np.stack([source for source, _ in words.values()]))
    wrong = [symbols.tobytes() not in correct for symbols, (_, correct) in zip(found, words.values(), strict=True)]
    return round(float(np.mean(wrong)), 4)


def teach(network, weights, bucket):
    """Return the mean probabilities of teachers for the targets of a bucket, float16."""
    import jax
    import jax.numpy as jnp

    @jax.jit
    def mean_of(weights, sources, targets):
        def of_one(each):
            fixed = network.non_trainable_variables
            return network.stateless_call(each, fixed, inputs_of(sources, targets), training=False)[0]

        return jnp.mean(jax.vmap(of_one)(weights), axis=0).astype("float16")

    return in_batches(functools.partial(mean_of, weights), bucket, 4096)


def train_teachers(arguments):
    """Train the ensemble."""
    tokens = read_tokens(arguments.tokens)
    networks = build(tokens["symbols"], arguments.units, arguments.embedding_dim, arguments.dropout, arguments.members)
    validation = tokens["validation_0"], tokens["validation_1"]
    score = functools.partial(word_error_rate, decoder(networks[0]))

    def report(weights):
        alone = [[each[number : number + 1] for each in weights] for number in range(len(networks))]
        return {"ensemble": score(weights, *validation), "alone": [score(each, *validation) for each in alone]}

    train(networks, by_length(tokens["train_0"], tokens["train_1"]), arguments, report, {"members": arguments.members})


def train_student(arguments):
    """Train one network on what teachers make of the training pairs and of sampled strings."""
    tokens = read_tokens(arguments.tokens)
    weights, theirs = read_weights(arguments.teachers), read_record(arguments.teachers)["settings"]
    (teacher,) = build(tokens["symbols"], theirs["units"], theirs["embedding_dim"], 0.0)
    sampled = tokens["sampled"]
    transcribed = transcribe(decoder(teacher), weights, sampled)
    ended = (transcribed == BOUNDARY).any(axis=1)
    width = max(tokens["train_0"].shape[1], sampled.shape[1])
    sources = np.concatenate([_padded(each, width) for each in (tokens["train_0"], sampled[ended])])
    targets = [_padded(each, width) for each in (tokens["train_1"], transcribed[ended])]
    buckets = by_length(sources, np.concatenate(targets))
    buckets = [[*bucket, teach(teacher, weights, bucket)] for bucket in buckets]
    (student,) = build(tokens["symbols"], arguments.units, arguments.embedding_dim, arguments.dropout)
    validation = tokens["validation_0"], tokens["validation_1"]
    decode = decoder(student)

    def report(weights):
        return {"alone": [word_error_rate(decode, weights, *validation)]}

    train([student], buckets, arguments, report, {"sampled": int(tokens["tries"])})


def export_student(arguments):
    """Make a student the next version of the recipe's model and write its figures and those of its teachers."""
    from keras_refs import datasets, export, settings, storage, training
    from keras_refs.recipes import g2p, sequences

    record, teachers = read_record(arguments.student), read_record(arguments.teachers)
    config = settings.override(g2p.Config(), **record["settings"])
    run = training.Run("g2p", config, arguments.workdir, arguments.export_dir, resume=False, family="wide_recurrent")
    run.record(record["ran_on"])
    data = datasets.load_transcriptions(**vars(config.data), separator=" ", simplify=g2p.without_stress)
    history = training.History(monitor="loss", mode="min")
    history.epochs = record["history"]
    made_by = f"benchmarks/{Path(__file__).name} teachers --members {teachers['settings']['members']}"
    with run.unfinished_export() as folder:
        network = g2p.build(config, data, for_export=True)
        network.set_weights([each[0] for each in read_weights(arguments.student)])
        words, phonemes = ("words", data.source_symbols), ("phonemes", data.target_symbols)
        options = {"examples": g2p.SHOWN[:2], "half_precision": True, **vars(config.decoding)}
        signatures = export.write_transcriber(network, words, phonemes, folder, **options)
        scores = sequences.score(folder, data.test, run.figures, label="words", shown=g2p.SHOWN)
        card = {"summary": g2p.__doc__, "signatures": signatures, "limits": g2p.LIMITS, "scored_on": g2p.SCORED_ON}
        # The last epoch is exported, whatever the validation says of it.
        card |= {"best_epoch": None, "settings": {"teachers": [made_by]}}
        metrics = run.finish(folder, network, history, data, scores, g2p.format_scores, card)
    students = [each for each in earlier(RESULTS, "students") if each["settings"] != record["settings"]]
    storage.write_json(RESULTS, {"teachers": teachers, "students": [*students, {**record, "test": metrics["test"]}]})


def read_tokens(path):
    """Return what `write_tokens` wrote, by name."""
    with np.load(path) as arrays:
        return dict(arrays)


def read_record(path):
    """Return what `train` wrote beside the weights."""
    return json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))


def read_weights(path):
    """Return stacked weights, float32."""
    with np.load(path) as arrays:
        return [arrays[name].astype("float32") for name in arrays.files]


def table(measured):
    """Return the figures of teachers and students as a table in Markdown."""
    teachers = measured["teachers"]
    lines = [
        "| wrong words | parameters | examples | epochs | time | validation, greedy | test, greedy | test, beam |",
        "|---|---|---|---|---|---|---|---|",
    ]

    def add(name, record, validation, test):
        time = f"{sum(epoch['seconds'] for epoch in record['history']):.0f} s"
        trained = f"{record['examples']:,} | {len(record['history'])} | {time}"
        lines.append(f"| {name} | {trained} | {validation} | {test} |")

    last, size = teachers["history"][-1], f"{teachers['parameters']:,}"
    members = len(last["alone"])
    lowest, highest = min(last["alone"]), max(last["alone"])
    add(f"each of {members} teachers | {size}", teachers, f"{lowest:.4f} to {highest:.4f}", " | ")
    add(f"the mean of their probabilities | {members} x {size}", teachers, f"{last['ensemble']:.4f}", " | ")
    for student in measured["students"]:
        (validation,), test = student["history"][-1]["alone"], student["test"]
        scores = f"{test['greedy']['word_error_rate']:.4f} | {test['word_error_rate']:.4f}"
        add(f"student | {student['parameters']:,}", student, f"{validation:.4f}", scores)
    ran_on = measured["students"][0]["ran_on"]
    versions = ", ".join(f"{name} {version}" for name, version in ran_on["versions"].items())
    where = f"Times are those of the training on one {ran_on['device']}, for the teachers of all together; {versions}."
    return "\n".join([*lines, "", where])


def main():
    """Do what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)

    def add(name, run, *files):
        command = commands.add_parser(name, help=run.__doc__)
        command.set_defaults(run=run)
        for file in files:
            command.add_argument(file, type=Path)
        return command

    command = add("tokens", write_tokens, "tokens")
    command.add_argument("--sampled", type=int, default=12, help="strings to try to sample for each training word")
    command = add("teachers", train_teachers, "tokens", "output")
    command.add_argument("--members", type=int, default=8, help="number of teachers")
    add_training(command, dropout=0.45, epochs=50)
    add_training(add("student", train_student, "tokens", "teachers", "output"), dropout=0.1, epochs=20)
    command = add("export", export_student, "teachers", "student")
    command.add_argument("--workdir", type=Path, required=True, help="new folder of the run that it is recorded as")
    command.add_argument("--export-dir", type=Path, default=Path("saved_models"))
    arguments = parser.parse_args()
    arguments.run(arguments)


def add_training(command, dropout, epochs):
    """Add the options of a training."""
    command.add_argument("--units", type=int, default=512)
    command.add_argument("--embedding-dim", type=int, default=128)
    command.add_argument("--dropout", type=float, default=dropout)
    command.add_argument("--epochs", type=int, default=epochs)
    command.add_argument("--learning-rate", type=float, default=2e-3)


if __name__ == "__main__":
    main()
