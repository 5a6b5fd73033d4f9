"""Suites that are well-formed and mean nothing, or are too large, and what the error message must contain."""

from __future__ import annotations

from tests.support.bad_suites import RATE, STEPS, case

CONDITION = 'metric = "modes"\nthresholds = [1, 4, 7]\nprimary = 4'
PENALTY = '{ name = "gradient-penalty", weight = 10.0 }'
MEANINGLESS = [
    case(
        "weight = 10.0",
        "where = { critic_depth = { a = 1 } }",
        "27: method[0].constraints[0].where: critic_depth = {'a': 1}: no architecture has such a value",
        "as in { critic_depth = 3 }",
    ),
    case(
        "weight = 10.0",
        "where = { critic_depth = 07:32:00 }",
        "constraints[0].where: critic_depth = datetime.time(7, 32)",
        "Write a number, a string, true or false",
        schema=False,
    ),
    case(
        PENALTY,
        '{ name = "spectral-norm", weight = 5.0 }',
        "s.toml:27: method[0].constraints[0]: constraint 'spectral-norm': weight = 5.0: it adds no term",
        "Leave `weight` out",
    ),
    case(
        PENALTY,
        '{ name = "weight-clipping", every = 7 }',
        "s.toml:27: method[0].constraints[0]: constraint 'weight-clipping': every = 7",
        "Leave `every` out",
    ),
    case(
        STEPS,
        'inputs = [{ name = "instance-noise", where = { critic_depth = 3 } }]',
        "s.toml:29: method[0].inputs[0]: input 'instance-noise': where = {'critic_depth': 3}",
        "Leave it out",
    ),
    case(RATE, "lr = { linear = [1e-3, -1e-3] }", "28: method[0].optimizer", "lr = -0.001: give a", schema=False),
    case("weight = 10.0", "weight = inf", "27: method[0].con", "weight = 'inf': its size exceeds", schema=False),
    case('[["ns-gan", "wgan-gp"]]', '[["mine", "ns-gan"], ["mine", "ns-gan"]]', "36: success[0].compare[1]", "twice"),
    case(
        '[["ns-gan", "wgan-gp"]]',
        '[["mine", "ns-gan"], ["ns-gan", "mine"]]',
        "s.toml:36: success[0].compare[1] = ['ns-gan', 'mine']: the two are compared twice",
        "Leave one out",
        schema=False,
    ),
    case(
        CONDITION,
        'condition = "modes > 3 and modes < 2"',
        "s.toml:31: success[0] for 'ring', condition: no 'modes' meets both modes > 3 and modes < 2",
        "Change one of them",
        schema=False,
    ),
    case('"Does it run?"', '"   "', "s.toml:1: question = '   ': it is blank", "Write what the suite asks"),
    case(
        '"mine"]',
        '"n\u0455-gan"]',
        "s.toml:3: methods[2]: no method 'n\u0455-gan'. Did you mean 'ns-gan'?",
        "U+0455, CYRILLIC SMALL LETTER DZE",
        schema=False,
    ),
]
TOO_LARGE = [
    case("seeds = 2", f"seeds = {[*range(10_001)]}", "s.toml:2: seeds: it has 10,001 items", "at most 10,000"),
    case("[1, 4, 7]", str([*range(1001)]), "s.toml:34: success[0].thresholds: it has 1,001 items", "Write fewer"),
    case(CONDITION, f'condition = "{"m" * 10_001}"', "s.toml:33: success[0].condition: it has 10,001 characters"),
    case("modes = 8", f"x = {'[' * 11}{']' * 11}", "s.toml:22: dataset[0].x[0]", "nested too deeply: at most 10"),
    case(
        "generator_width = 8",
        "generator_width = 1000000000",
        "s.toml:10: architectures: the networks are too large: generator_width = 1000000000",
        "Use smaller ones",
        schema=False,
    ),
    case(
        "generator_width = 8",
        "critic_width = 100000",
        "s.toml:10: architectures: the networks are too large: they have more than 1,000,000,000 weights",
        schema=False,
    ),
]
WITHOUT_SENSE = [*MEANINGLESS, *TOO_LARGE]
