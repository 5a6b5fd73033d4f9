"""The game of `plain_loop.py` in JAX, all seeds as one compiled program: jit(vmap(scan)), and Adam by hand.

    PYTHON tests/benchmarks/jax_steps.py ns-gan --seeds 16 --steps 100

It needs jax alone, and is started by `bench_jax.py`. It compiles a block of generator steps, and says what that took;
then it trains one block for each line that it reads, and says what that took. Data and noise are drawn in the block.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from functools import partial
from typing import Any

os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"  # read by the import

import jax
import jax.numpy as jnp

LATENT = 16
Tree = Any


def ring(key: Tree, rows: int) -> Tree:
    """Draw from eight Gaussians on a circle."""
    which, where = jax.random.split(key)
    angle = jax.random.randint(which, (rows,), 0, 8) * (math.pi / 4)
    centres = 2 * jnp.stack([jnp.cos(angle), jnp.sin(angle)], 1)
    return (centres + 0.02 * jax.random.normal(where, (rows, 2))) / 1.414


def mlp(key: Tree, inputs: int, outputs: int, width: int) -> Tree:
    """Draw the weights of three hidden layers, He-uniform, and of the last, Glorot-uniform."""
    sizes = [inputs, width, width, width, outputs]
    bounds = [math.sqrt(6 / n) for n in sizes[:3]] + [math.sqrt(6 / (width + outputs))]
    return [
        (jax.random.uniform(each, (n, m), minval=-bound, maxval=bound), jnp.zeros(m))
        for each, n, m, bound in zip(jax.random.split(key, 4), sizes[:-1], sizes[1:], bounds, strict=True)
    ]


def apply(parameters: Tree, x: Tree) -> Tree:
    *hidden, (weight, bias) = parameters
    for w, b in hidden:
        x = jax.nn.relu(x @ w + b)
    return x @ weight + bias


def adam(parameters: Tree, gradients: Tree, state: Tree, lr: float, beta1: float, beta2: float) -> tuple[Tree, Tree]:
    """Return the parameters after a step, and the new state: Kingma, Ba 2015, arXiv:1412.6980, algorithm 1."""
    count, mean, square = state
    count = count + 1
    mean = jax.tree.map(lambda m, g: beta1 * m + (1 - beta1) * g, mean, gradients)
    square = jax.tree.map(lambda v, g: beta2 * v + (1 - beta2) * g * g, square, gradients)
    step, scale = lr / (1 - beta1**count), 1 / (1 - beta2**count)
    moved = jax.tree.map(lambda p, m, v: p - step * m / (jnp.sqrt(v * scale) + 1e-8), parameters, mean, square)
    return moved, (count, mean, square)


def critic_loss(critic: Tree, generator: Tree, key: Tree, rows: int, penalised: bool) -> Tree:
    keys = jax.random.split(key, 3)
    real, fake = ring(keys[0], rows), apply(generator, jax.random.normal(keys[1], (rows, LATENT)))
    scores = apply(critic, jnp.concatenate([real, fake]))  # one pass for both is some 5% faster
    if not penalised:
        return jax.nn.softplus(-scores[:rows]).mean() + jax.nn.softplus(scores[rows:]).mean()
    mix = jax.random.uniform(keys[2], (rows, 1))
    slope = jax.grad(lambda x: apply(critic, x).sum())(mix * real + (1 - mix) * fake)
    norm = jnp.sqrt((slope**2).sum(1) + 1e-12)
    return scores[rows:].mean() - scores[:rows].mean() + 10 * ((norm - 1) ** 2).mean()


def generator_loss(generator: Tree, critic: Tree, key: Tree, rows: int, penalised: bool) -> Tree:
    score = apply(critic, apply(generator, jax.random.normal(key, (rows, LATENT))))
    return -score.mean() if penalised else jax.nn.softplus(-score).mean()


def begin(key: Tree, width: int) -> Tree:
    """Return the state before the first step: a key, and parameters and Adam's state of each player."""
    keys = jax.random.split(key, 3)
    players = mlp(keys[0], LATENT, 2, width), mlp(keys[1], 2, 1, width)
    zeros = [jax.tree.map(jnp.zeros_like, parameters) for parameters in players]
    return keys[2], *((parameters, (0, zero, zero)) for parameters, zero in zip(players, zeros, strict=True))


def train(state: Tree, penalised: bool, rows: int, steps: int) -> Tree:
    """Return the state of one seed after a block of generator steps."""
    settings = (1e-4, 0.0, 0.9) if penalised else (2e-4, 0.5, 0.999)

    def update_critic(state: Tree, _: None) -> tuple[Tree, None]:
        key, (g, g_state), (d, d_state) = state
        key, used = jax.random.split(key)
        gradients = jax.grad(critic_loss)(d, g, used, rows, penalised)
        return (key, (g, g_state), adam(d, gradients, d_state, *settings)), None

    def step(state: Tree, _: None) -> tuple[Tree, None]:
        state, _ = jax.lax.scan(update_critic, state, length=5 if penalised else 1)
        key, (g, g_state), (d, d_state) = state
        key, used = jax.random.split(key)
        gradients = jax.grad(generator_loss)(g, d, used, rows, penalised)
        return (key, adam(g, gradients, g_state, *settings), (d, d_state)), None

    state, _ = jax.lax.scan(step, state, length=steps)
    return state


def answer(**numbers: float) -> None:
    sys.stdout.write(json.dumps(numbers) + "\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("method", choices=["ns-gan", "wgan-gp"])
    for name, number in {"seeds": 16, "width": 64, "rows": 64, "steps": 100}.items():
        parser.add_argument(f"--{name}", type=int, default=number)
    asked = parser.parse_args()
    keys = jax.random.split(jax.random.key(0), asked.seeds)
    state = jax.block_until_ready(jax.jit(jax.vmap(partial(begin, width=asked.width)))(keys))
    one = partial(train, penalised=asked.method == "wgan-gp", rows=asked.rows, steps=asked.steps)
    wall, processor = time.perf_counter(), time.process_time()
    block = jax.jit(jax.vmap(one), donate_argnums=0).lower(state).compile()
    answer(compile_wall=time.perf_counter() - wall, compile=time.process_time() - processor)
    for _ in sys.stdin:
        wall, processor = time.perf_counter(), time.process_time()
        state = jax.block_until_ready(block(state))
        answer(wall=time.perf_counter() - wall, processor=time.process_time() - processor)
    if not all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(state[1:])):
        sys.exit("jax: a weight is not finite")


if __name__ == "__main__":
    main()
