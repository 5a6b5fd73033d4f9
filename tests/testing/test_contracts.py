"""Our own offers follow the contracts that third parties' offers must, and `ganbench check` reports on both."""

from __future__ import annotations

import builtins
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from ganbench import GanbenchError, Offer, cli, plan, registry
from ganbench.api import hooks
from ganbench.registry.registry import Offered
from ganbench.suite.loading import parse
from ganbench.testing.check import ISOLATED_ARGUMENTS, check
from ganbench.testing.contracts import KINDS, contracts, find_lack
from ganbench.testing.given_options import find_missing
from ganbench.testing.purity import Capture, require_no_global_random, require_unchanged
from ganbench.testing.rule import Contract, Subject
from torch.overrides import TorchFunctionMode

from tests.support import image_networks
from tests.support.tiny_suite import suite as small

SAMPLE = str(Path(__file__).parents[1] / "support" / "contract_sample.py")
INSTALLED = registry.load()
ALL_OFFERS = [offered for kind in INSTALLED.kinds for offered in INSTALLED.offers(kind)]
OUR_OFFERS = [offered for offered in ALL_OFFERS if offered.provider.startswith("ganbench ")]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "contract" in metafunc.fixturenames:
        tiny = {("architectures", name): options for name, options in image_networks.TINY.items()}
        metafunc.parametrize("contract", list(contracts(INSTALLED, OUR_OFFERS, tiny)), ids=str)


def test_our_own_offer_follows_the_rule(contract: Contract) -> None:
    contract.check()


def test_every_kind_of_offer_has_contracts() -> None:
    assert {offered.kind for offered in OUR_OFFERS} <= KINDS.keys()
    assert all(rules.rules for rules in KINDS.values())


def extract_examples() -> list[str]:
    """Return the example code in each hook's documentation, and in the hand-written parts of hooks.md."""
    docs = [inspect.getdoc(hook) or "" for name, hook in vars(hooks).items() if name.startswith("ganbench_")]
    examples = ["\n".join(re.findall(r"^(?:>>> |\.\.\. )(.*)$", doc, re.MULTILINE)) for doc in docs if ">>>" in doc]
    page = (Path(__file__).parents[2] / "docs/reference/hooks.md").read_text()
    written_by_hand = re.sub(r"<!-- generated: .*?<!-- end -->", "", page, flags=re.DOTALL)
    return examples + re.findall(r"```python\n(.*?)```", written_by_hand, re.DOTALL)


def test_the_range_in_the_example_of_a_metric_is_checked_when_planning(tmp_path: Path) -> None:
    (code,) = (code for code in extract_examples() if "my-spread" in code)
    (tmp_path / "mine.py").write_text(code)
    plugins = registry.load(files=[tmp_path / "mine.py"])
    assert str(plugins.get("metrics", "my-spread").options) == "power: float > 0 = 1.0"
    metrics = [{"name": "my-spread", "power": power} for power in (2, 0)]
    suites = [small(dataset=[{"name": "ring", "metrics": [metric]}], success=None) for metric in metrics]
    assert plan.make(parse(suites[0], "s.toml"), plugins).trials
    with pytest.raises(GanbenchError, match=r"option 'power' = 0\.0: it should be greater than 0"):
        plan.make(parse(suites[1], "s.toml"), plugins)


@pytest.mark.parametrize("code", extract_examples(), ids=lambda code: re.search(r"my-\w+", code)[0])
def test_the_example_of_a_hook_follows_the_contracts(code: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(code)
    plugins = registry.load(files=[file])
    offers = [offered for kind in plugins.kinds for offered in plugins.offers(kind) if offered.origin == str(file)]
    assert len(offers) == 1
    for contract in contracts(plugins, offers):
        contract.check()


class OnTheGeneratorsDevice(TorchFunctionMode):
    """Requires that whoever draws from a generator names its device: on CUDA torch would refuse to draw otherwise.

    `waits` are the calls that would wait for a GPU: copies to it, and those whose result has a size that is not known.
    """

    def __init__(self) -> None:
        super().__init__()
        self.draws, self.waits = 0, list[str]()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__name__", "") in {"to", "cpu", "item", "tolist", "tensor", "bincount", "nonzero", "unique"}:
            self.waits.append(func.__name__)
        generator = (kwargs or {}).get("generator")
        if generator is not None and getattr(torch, func.__name__, None) is func:  # not x.normal_(generator=...)
            assert (kwargs or {}).get("device") == generator.device, f"torch.{func.__name__} draws on the CPU"
            self.draws += 1
        return func(*args, **(kwargs or {}))


def load_documented_datasets(folder: Path) -> list[Offered]:
    """Return the dataset in the documentation of its hook."""
    code = "\n".join(code for code in extract_examples() if "ganbench_datasets" in code and "def draw" in code)
    file = folder / "mine.py"
    file.write_text(code)
    plugins = registry.load(files=[file], installed=False)
    return list(plugins.offers("datasets"))


def test_a_shipped_or_documented_dataset_draws_on_the_device_of_its_generator(tmp_path: Path) -> None:
    documented = load_documented_datasets(tmp_path)
    assert len(documented) == 1
    draws, waits = 0, dict[str, list[str]]()
    for offered in (*documented, *(offered for offered in OUR_OFFERS if offered.kind == "datasets")):
        if find_missing(offered, {}) or find_lack(Subject(offered, INSTALLED)):
            continue  # it reads files that are not here
        source = offered.offer.build()
        if source.draw is not None:
            source.draw(generator := torch.Generator(), 4)  # copies to the device are made once
            with OnTheGeneratorsDevice() as mode:
                source.draw(generator.manual_seed(0), 4)
            draws += mode.draws
            waits |= {offered.offer.name: mode.waits} if mode.waits else {}
    assert not waits, "these draws would wait for a GPU"
    assert draws > 4


def test_check_reports_the_broken_rules_of_each_offer_of_a_file() -> None:
    verdicts, problems = check([SAMPLE])
    by_name = {verdict.offered.offer.name: verdict for verdict in verdicts}
    assert by_name.keys() == {"good-loss", "bad-loss", "mine"}
    assert not problems
    assert by_name["good-loss"].rules >= 10
    assert str(by_name["good-loss"]).endswith("rules passed")
    assert by_name["bad-loss"].broken == [
        "loss 'bad-loss': minimising the critic's loss never puts real above fake: check its sign, and high_is_real."
    ]
    assert "no example: nothing compares its values with the literature" in str(by_name["bad-loss"])
    assert (
        by_name["mine"]
        .broken[0]
        .startswith(
            "constraint 'mine': its norm mixes samples or axes: on D(x) = w.x with |w| = 1.7 and 3x4x4 samples it is "
        )
    )


@pytest.mark.parametrize(("words", "code"), [(["hinge"], 0), (["bad-loss", SAMPLE], 1), (["hinj"], 2), (["no.py"], 2)])
def test_the_exit_code_is_0_for_correct_1_for_broken_and_2_for_unknown_offers(words, code, capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["check", *words])
    out, err = capsys.readouterr()
    assert ended.value.code == code, out + err
    assert "Traceback" not in out + err
    assert [("rules passed" in out), ("of 14 rules broken" in out), ("ganbench: " in err)][code]


def test_the_authors_pytest_configuration_changes_nothing(tmp_path: Path) -> None:
    """Addopts, a conftest that raises and environment variables do not reach the contracts."""
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\ntestpaths = nowhere\n")
    (tmp_path / "conftest.py").write_text("raise RuntimeError('the contracts must not load this')\n")
    environment = {**os.environ, "PYTEST_ADDOPTS": "--collect-only", "PYTEST_PLUGINS": "no_such_plugin"}
    command = [sys.executable, "-m", "ganbench", "check", SAMPLE]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stdout.endswith("3 checked, 2 with broken rules\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["conftest.py", "pytest.ini"]


def test_no_entry_point_makes_pytest_load_the_contracts() -> None:
    from importlib.metadata import distribution

    assert not [entry for entry in distribution("ganbench").entry_points if entry.group == "pytest11"]
    assert ISOLATED_ARGUMENTS[:2] == ["-p", "ganbench.testing.pytest_plugin"]


def test_check_without_pytest_names_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def absent(name: str, *rest):
        if name == "pytest":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(GanbenchError, match=r"pip install pytest"):
        check([SAMPLE])


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda x: x.sum().item(), "takes a number out"),
        (lambda x: x[x > 0], "mask"),
        (lambda x: x * torch.tensor(2.0), "torch.tensor"),
        (lambda x: x + torch.rand(()), "draws random numbers"),
        (lambda x: torch.dropout(x, 0.5, train=True), "draws random numbers"),
        (lambda x: torch.masked_select(x, x > 0), "mask"),
    ],
)
def test_what_a_cuda_graph_cannot_capture_is_detected_without_a_gpu(act, message: str) -> None:
    with pytest.raises(AssertionError, match=message), Capture():
        act(torch.ones(3))


def test_what_a_cuda_graph_can_capture_passes() -> None:
    x = torch.linspace(-1, 1, 6).reshape(3, 2)
    with Capture():
        result = (
            torch.where(x > 0, x, 0.1 * x).flatten(1).square().sum(1).sqrt()
            + x.new_zeros(3)
            + x[:, 0]
            + x[:, 1:].squeeze(1)
        )
    assert result.shape == (3,)


def test_guards_detect_random_numbers_and_changes_and_nothing_else() -> None:
    tensors = {"x": torch.tensor([1.0, torch.nan])}
    with require_no_global_random(), require_unchanged("x", tensors):
        torch.rand(2, generator=torch.Generator().manual_seed(0))
        tensors["x"] + 1
    with pytest.raises(AssertionError, match="changes x in place"), require_unchanged("x", tensors):
        tensors["x"].add_(1)
    for draw in (lambda: torch.rand(()), __import__("random").random, __import__("numpy").random.rand):
        with pytest.raises(AssertionError, match="global generator"), require_no_global_random():
            draw()


def test_an_offer_that_is_not_stackable_is_checked_only_in_a_loop() -> None:
    """It may then use .item(): rules that need mapping over seeds are not generated."""
    from ganbench import Objective, hookimpl

    class Mine:
        @hookimpl
        def ganbench_losses(self):
            def critic(real, fake):
                return (fake.mean() - real.mean()) / max(1.0, abs(real.std().item()))

            yield Offer("looped", lambda: Objective(critic, lambda real, fake: -fake.mean()), "One.", stackable=False)

    plugins = registry.load(plugins=[Mine], installed=False)
    claims = []
    for contract in contracts(plugins):
        contract.check()
        claims.append(contract.rule.claim)
    assert not [claim for claim in claims if "CUDA" in claim or "trained together" in claim]


LEAVES = """
import sys
from ganbench import Metric, Offer, hookimpl

@hookimpl
def ganbench_metrics():
    yield Offer("leaves", lambda: Metric(measure=lambda evidence: sys.exit(0), values={"m": "higher"}), "Leaves.")
    yield Offer("unbuilt", lambda: sys.exit(0), "Leaves while it is built.")
"""


def test_check_reports_what_would_end_the_program_by_name_and_line(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(LEAVES)
    verdicts, _ = check([str(file)])
    broken = {verdict.offered.offer.name: verdict.broken for verdict in verdicts}
    for name, line in (("leaves", 7), ("unbuilt", 8)):
        words = f"it ends the program (SystemExit: 0) in mine.py, line {line}. Raise"
        assert any(words in message for message in broken[name]), broken[name]
