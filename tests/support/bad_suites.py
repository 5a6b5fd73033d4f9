"""Suites with one mistake each, and what the error message must contain."""

from __future__ import annotations

from typing import NamedTuple

TEXT = """question = "Does it run?"
seeds = 2
methods = ["ns-gan", "wgan-gp", "mine"]

[budget]
generator_steps = 4
batch_size = 16
snapshots = 2

[architectures]
space = "mlp"
sample = 1

[architectures.options]
generator_width = 8

[measurement]
samples = 50

[[dataset]]
name = "ring"
modes = 8

[[method]]
name = "mine"
from = "wgan-gp"
constraints = [{ name = "gradient-penalty", weight = 10.0 }]
optimizer = { name = "adam", lr = 1e-3 }
critic_steps = 2

[[success]]
dataset = "ring"
metric = "modes"
thresholds = [1, 4, 7]
primary = 4
compare = [["ns-gan", "wgan-gp"]]
"""


class Case(NamedTuple):
    """A mistake: `new` in place of `old`, fragments of the message, and whether the schema finds it, too."""

    old: str
    new: str
    fragments: tuple[str, ...]
    schema: bool = True


def case(old: str, new: str, *fragments: str, schema: bool = True) -> Case:
    """Return the case of a mistake; the message must contain all `fragments`."""
    return Case(old, new, fragments, schema)


ESCAPE = "\\u001b[31m"
LONG = "n" * 300
STEPS = "critic_steps = 2"
RATE = "lr = 1e-3"

NAMES = [
    case("methods = [", "metods = [", "s.toml:3: metods = [", "Did you mean 'methods'?"),
    case('"mine"]', '"mine", "ns-gna"]', "s.toml:3: methods[3]: no method", "mean 'ns-gan'?", schema=False),
    case("modes = 8", "mode = 8", "s.toml:22: dataset[0]: dataset 'ring': no option 'mode' (given 8)", "'modes'?"),
    case("seeds = 2", "seeds = 2\nengine.together = 0", "engine.together = 0: it should be greater than or equal to 1"),
    case("batch_size", "batchsize", "s.toml:7: budget.batchsize = 16", "Did you mean 'batch_size'?"),
    case(
        'name = "ring"',
        'name = "rign"',
        "s.toml:32: success[0].dataset = 'ring': no [[dataset]] called 'ring'. Did you mean 'rign'?",
    ),
    case('space = "mlp"', 'space = "mpl"', "s.toml:11: architectures.space: no architecture 'mpl'", "'mlp'?"),
    case("generator_width", "generator_widht", "s.toml:15: architectures.space", "'generator_widht' (given 8)", "h'?"),
    case("samples = 50", 'samples = 50\nmetrics = ["fdi"]', "s.toml:19: measurement.metrics[0]: no metric", "'fid'?"),
    case(
        '"wgan-gp"\ncon', '"wgan-pg"\ncon', "s.toml:26: method[0].from: no method 'wgan-pg'", "'wgan-gp'?", schema=False
    ),
    case(
        '"gradient-penalty"', '"gradient-penlty"', "s.toml:27: method[0].constraints[0]: no con", "'gradient-penalty'?"
    ),
    case(
        "weight = 10.0", "tarjet = 1.0", "s.toml:27: method[0].constraints[0]: con", "'tarjet' (given 1.0)", "'target'?"
    ),
    case('"adam"', '"adma"', "s.toml:28: method[0].optimizer: no optimizer 'adma'", "'adam'?"),
    case(STEPS, 'loss = "wasserstien"', "s.toml:29: method[0].loss: no loss 'wasserstien'", "'wasserstein'?"),
    case(STEPS, 'dynamics = "unroled"', "s.toml:29: method[0].dynamics: no dynamics 'unroled'", "'unrolled'?"),
    case(STEPS, 'inputs = ["instance-nose"]', "s.toml:29: method[0].inputs[0]: no input", "'instance-noise'?"),
    case(
        "weight = 10.0",
        "where = { critic_dpth = 3 }",
        "s.toml:27: method[0].constraints[0].where: no architecture property 'critic_dpth'.",
        "'critic_depth'?",
        schema=False,
    ),
    case('"modes"\nthr', '"mode"\nthr', "s.toml:31: success[0] for 'ring': no metric value", "'modes'?", schema=False),
    case('"wgan-gp"]]', '"wgan-pg"]]', "s.toml:36: success[0].compare[0]", "Did you mean 'wgan-gp'?", schema=False),
    case(
        "[measurement]", "[outcomes]\ncolapsed = 1\n[measurement]", "s.toml:18: outcomes.colapsed = 1", "'collapsed'?"
    ),
]
OTHER_SPELLINGS = [
    case(
        "samples = 50",
        'samples = 50\nmetrics = ["FID"]',
        "s.toml:19: measurement.metrics[0]: no metric 'FID'",
        "'fid'?",
    ),
    case(
        'name = "ring"\nmodes = 8',
        'name = "ring"\nmetrics = ["W1"]',
        "s.toml:22: dataset[0].metrics[0]: no metric",
        "'w1'?",
    ),
    case('space = "mlp"', 'space = "MLP"', "s.toml:11: architectures.space: no architecture 'MLP'", "'mlp'?"),
    case(
        'from = "wgan-gp"',
        'from = "WGAN_GP"',
        "s.toml:26: method[0].from: no method 'WGAN_GP'",
        "'wgan-gp'?",
        schema=False,
    ),
    case("batch_size", "BATCH-SIZE", "s.toml:7: budget.BATCH-SIZE = 16: no such key", "Did you mean 'batch_size'?"),
    case(
        "generator_steps = 4", "steps = 4", "s.toml:6: budget.steps = 4: no such key", "Did you mean 'generator_steps'?"
    ),
    case("seeds = 2", "snapshots = 3", "s.toml:2: snapshots = 3: no such key", "'snapshots' is a key of budget."),
    case(
        "seeds = 2",
        'metrics = ["fid"]',
        "s.toml:2: metrics = ['fid']",
        "'metrics' is a key of dataset and measurement.",
    ),
]
STRANGE_NAMES = [
    case('"mine"]', '"../../x"]', "s.toml:3: methods[2]: no method '../../x'", "Known: acgan", schema=False),
    case('"mine"]', '"con"]', "s.toml:3: methods[2]: no method 'con'", "Known: acgan", schema=False),
    case('"mine"]', '""]', "s.toml:3: methods[2] = ''", "1 to 100 printable"),
    case('"mine"]', f'"{LONG}"]', "s.toml:3: methods[2] = 'nnn", "nnn...", "1 to 100 printable"),
    case('"mine"]', f'"{ESCAPE}"]', "s.toml:3: methods[2] = '\\x1b[31m'", "1 to 100 printable", schema=False),
    case('"mine"]', '"[bold]x[/bold]"]', "methods[2]: no method '[bold]x[/bold]'", "Known: acgan", schema=False),
    case("seeds = 2", f'"{ESCAPE}seeds" = 2', "'\\x1b[31mseeds' = 2", "Did you mean 'seeds'?"),
    case("seeds = 2", f'"{LONG}" = 2', "s.toml:2: 'nnn", "n...: a key has at most 200 characters"),
    case("modes = 8", f'"{ESCAPE}modes" = 8', "no option '\\x1b[31mmodes' (given 8)", "Did you mean 'modes'?"),
    case("modes = 8", f'modes = "{LONG}"', "option 'modes' = 'nnn", "n...: it should be a valid integer"),
    case('name = "ring"', 'name = "a\\u0007"', "s.toml:21: dataset[0].name = 'a\\x07'", "1 to 100 printable"),
]
VALUES = [
    case("seeds = 2", 'seeds = "two"', "s.toml:2: seeds = 'two'", "a number of seeds from 1"),
    case("seeds = 2", "seeds = -1", "s.toml:2: seeds = -1", "a number of seeds from 1"),
    case("seeds = 2", "seeds = []", "s.toml:2: seeds = []", "or a list of integers"),
    case("seeds = 2", "seeds = [1, 1]", "s.toml:2: seeds[1] = 1", "twice"),
    case("seeds = 2", f"seeds = [{2**63}]", "s.toml:2: seeds = [9223372036854775808]", "from 1 to"),
    case("seeds = 2", "seeds = 10000\n[a]", "s.toml:3: a = {", "no such key"),
    case("sample = 1", "sample = 0", "s.toml:12: architectures.sample = 0", "greater than or equal to 1"),
    case(
        "sample = 1",
        "sample = 2",
        "s.toml:10: architectures: architecture 'mlp': sample = 2",
        "more than this space has. Write sample = 1",
        schema=False,
    ),
    case(
        "sample = 1",
        "sample = 999999",
        "s.toml:2: seeds: datasets x ",
        "= 1 x 999999 x 3 x 2 = 5999994 trials",
        "Ask for fewer",
        schema=False,
    ),
    case(
        '["ns-gan", "wgan-gp", "mine"]', '["ns-gan", "ns-gan"]', "methods[1] = 'ns-gan'", "leave one out", schema=False
    ),
    case('[[dataset]]\nname = "ring"\nmodes = 8', "", "s.toml: dataset: missing", "[[dataset]] with a name"),
    case("[[dataset]]", "[dataset]", "s.toml:20: dataset = {", "two brackets, as in [[dataset]]"),
    case(
        "modes = 8", "modes = 8.5", "dataset 'ring': option 'modes' = 8.5", "Options: modes: int >= 1 and <= 10000 = 8"
    ),
    case("modes = 8", "std = nan", "dataset[0]: dataset 'ring': option 'std' = nan", "(no NaN)", schema=False),
    case("modes = 8", "modes = 2020-01-01", "option 'modes' = datetime.date(2020, 1, 1)", "an option is a number"),
    case(
        "generator_width = 8",
        "generator_width = 0",
        "s.toml:10: architectures: architecture 'mlp': generator_width = 0",
        "an integer of 1 or more",
        schema=False,
    ),
    case("generator_steps = 4", "generator_steps = -4", "s.toml:6: budget.generator_steps = -4", "equal to 1"),
    case("generator_steps = 4", f"generator_steps = {2**70}", "s.toml:6: budget.generator_steps = 1180", "less than"),
    case("generator_steps = 4", "generator_steps = inf", "budget.generator_steps = inf", "valid integer"),
    case(
        "generator_steps = 4",
        "updates = 1",
        "s.toml:6: budget.updates = 1 is less",
        "Write a larger number",
        schema=False,
    ),
    case(
        "generator_steps = 4",
        "flops = 1e308",
        "s.toml:6: budget.flops = 1e+308 pays for more than 1000000000000 generator steps (critic_steps = 1, "
        "batch_size = 16). Write a smaller number.",
        schema=False,
    ),
    case("generator_steps = 4", "", "s.toml:5: budget", "exactly one of generator_steps, updates, samples"),
    case("snapshots = 2", "snapshots = 1000000000", "s.toml:8: budget.snapshots = 1000000000", "to 10000"),
    case("samples = 50", "samples = 1", "s.toml:18: measurement.samples = 1", "equal to 2"),
    case(
        "[budget]\ngenerator_steps = 4\nbatch_size = 16\nsnapshots = 2",
        "budget = 3",
        "budget = 3: it should be a table",
    ),
    case(
        "weight = 10.0",
        "weight = nan",
        "s.toml:27: method[0].constraints[0].weight = nan",
        "a number, or",
        schema=False,
    ),
    case(RATE, "lr = -1e-3", "s.toml:28: method[0].optimizer: opt", "lr = -0.001: give a finite", schema=False),
    case(RATE, "lr = inf", "s.toml:28: method[0].optimizer: opt", "lr = inf: give a finite number", schema=False),
    case(RATE, "beta1 = 1.0", "s.toml:28: method[0].optimizer", "beta1 = 1.0: give a number from 0", schema=False),
    case(STEPS, "ema = nan", "s.toml:29: method[0].ema = nan", "less than 1", schema=False),
    case(
        STEPS,
        'dynamics = { name = "unrolled", steps = -3 }',
        "29: method[0].dynamics",
        "steps = -3: give",
        schema=False,
    ),
    case('"Does it run?"', '""', "s.toml:1: question = '': it should have at least 1 character"),
]
SCHEDULES = [
    case(STEPS, "critic_steps = { steps = [[25, 9], [10, 5]] }", "s.toml:29: ", "ends before it starts", schema=False),
    case(STEPS, "critic_steps = { steps = [[25, 9]] }", "s.toml:29: ", "end `steps` with [inf, n]", schema=False),
    case(STEPS, "critic_steps = -2", "s.toml:29: method[0].critic_steps = -2", "critic_steps is an integer >= 0, or"),
    case(STEPS, f"critic_steps = {2**64}", "method[0].critic_steps = 1844", "is more than 1000000000", schema=False),
    case(RATE, "lr = { linear = [1e-3, 0], over = -0.5 }", "option 'lr' = {", "0 < over <= 1", "28: method[0].opt"),
    case(RATE, "lr = { linear = [1e-3] }", "option 'lr' = {", "[0.001] is not a pair of numbers"),
    case(
        "weight = 10.0",
        f"weight = 1{'0' * 400}",
        "is too large for a float; write inf",
        "27: method[0].constraints[0]",
        schema=False,
    ),
    case(RATE, "lr = { liner = [1e-3, 0] }", "option 'lr' = {", "is not a schedule; a scalar is a number, or"),
]
SUCCESS = [
    case("[1, 4, 7]", "[7, 4, 1]", "s.toml:31: success[0] for 'ring': thresholds", "so write [1.0, 4.0", schema=False),
    case("[1, 4, 7]", "[1, 7, 4]", "s.toml:34: success[0].thresholds", "all rise or all fall", schema=False),
    case("[1, 4, 7]", "[1, 4, 1e400]", "s.toml:34: success[0].thresholds[2] = inf", "finite", schema=False),
    case("[1, 4, 7]", "[]", "s.toml:34: success[0].thresholds = []", "the list is empty", schema=False),
    case("primary = 4", "primary = 5", "s.toml:35: success[0].primary = 5.0", "Choose one of", schema=False),
    case(
        '"modes"\nthr', '"fid"\nthr', "s.toml:31: success[0] for 'ring': no metric value 'fid'", "modes", schema=False
    ),
    case(
        '[["ns-gan", "wgan-gp"]]',
        '["ns-gan", "wgan-gp"]',
        "36: success[0].compare[0] = 'ns-gan': it should be a list. Pairs of methods",
    ),
]
SYNTAX = [
    case("weight = 10.0", f"weight = 1{'0' * 5000}", "not TOML: a number has thousands of digits"),
    case("seeds = 2", "seeds = = 2", "s.toml: not TOML", "line 2, column 9"),
    case("seeds = 2", 'seeds = "2', "s.toml: not TOML", "line 2, column 11"),
    case("[budget]", "[budget", "s.toml: not TOML", "line 5, column 8"),
    case("[measurement]", "[budget]", "s.toml: not TOML", "line 17, column 8", "twice"),
    case("seeds = 2", "seeds = \x1b[31m", "s.toml: not TOML", "line 2, column 9"),
    case("seeds = 2", f"seeds = {'[' * 5000}", "s.toml: not TOML: nested too deeply: at most 10 tables and lists"),
]
SUITES = [*NAMES, *OTHER_SPELLINGS, *STRANGE_NAMES, *VALUES, *SCHEDULES, *SUCCESS]
