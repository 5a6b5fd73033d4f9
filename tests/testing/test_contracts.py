"""Our own offers keep the contracts that strangers' must, and `ganbench check` says so of either."""

from __future__ import annotations

import builtins
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from ganbench import GanbenchError, Offer, cli, registry
from ganbench.api import hooks
from ganbench.testing.check import ALONE, check
from ganbench.testing.contracts import KINDS, contracts
from ganbench.testing.purity import Capture, require_no_global_random, require_unchanged
from ganbench.testing.rule import Contract

SAMPLE = str(Path(__file__).parents[1] / "support" / "contract_sample.py")
INSTALLED = registry.load()
OURS = [one for kind in INSTALLED.kinds for one in INSTALLED.offers(kind) if one.provider.startswith("ganbench ")]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "contract" in metafunc.fixturenames:
        metafunc.parametrize("contract", list(contracts(INSTALLED, OURS)), ids=str)


def test_our_own_offer_keeps_the_rule(contract: Contract) -> None:
    contract.hold()


def test_every_kind_that_is_offered_has_contracts() -> None:
    assert {one.kind for one in OURS} <= KINDS.keys()
    assert all(rules.rules for rules in KINDS.values())


def examples() -> list[str]:
    """Give the code under each hook's documentation."""
    docs = [inspect.getdoc(hook) or "" for name, hook in vars(hooks).items() if name.startswith("ganbench_")]
    return ["\n".join(re.findall(r"^(?:>>> |\.\.\. )(.*)$", doc, re.MULTILINE)) for doc in docs if ">>>" in doc]


@pytest.mark.parametrize("code", examples(), ids=lambda code: re.search(r"ganbench_\w+", code)[0])
def test_the_example_under_a_hook_keeps_the_contracts(code: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(code)
    plugins = registry.load(files=[file])
    mine = [one for kind in plugins.kinds for one in plugins.offers(kind) if one.origin == str(file)]
    assert len(mine) == 1
    for contract in contracts(plugins, mine):
        contract.hold()


def test_check_says_of_each_offer_of_a_file_which_rules_it_breaks() -> None:
    verdicts, problems = check([SAMPLE])
    said = {verdict.offered.offer.name: verdict for verdict in verdicts}
    assert said.keys() == {"good-loss", "bad-loss", "mine"}
    assert not problems
    assert said["good-loss"].rules >= 10
    assert str(said["good-loss"]).endswith("rules kept")
    assert said["bad-loss"].broken == [
        "loss 'bad-loss': lowering the critic's loss nowhere puts real above fake: is its sign wrong, or high_is_real?"
    ]
    assert "no example: nothing holds its values against the literature" in str(said["bad-loss"])
    assert (
        said["mine"]
        .broken[0]
        .startswith(
            "constraint 'mine': its norm mixes rows or axes: on D(x) = w.x with |w| = 1.7 and 3x4x4 samples it gives "
        )
    )


@pytest.mark.parametrize(("words", "code"), [(["hinge"], 0), (["bad-loss", SAMPLE], 1), (["hinj"], 2), (["no.py"], 2)])
def test_the_command_ends_with_0_for_sound_1_for_broken_2_for_unknown(words, code, capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["check", *words])
    out, err = capsys.readouterr()
    assert ended.value.code == code, out + err
    assert "Traceback" not in out + err
    assert [("kept" in out), ("of 12 rules broken" in out), ("ganbench: " in err)][code]


def test_what_the_author_configures_for_pytest_changes_nothing(tmp_path: Path) -> None:
    """Neither addopts, nor a conftest that breaks, nor environment variables reach the contracts."""
    (tmp_path / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\ntestpaths = nowhere\n")
    (tmp_path / "conftest.py").write_text("raise RuntimeError('the contracts must not see me')\n")
    environment = {**os.environ, "PYTEST_ADDOPTS": "--collect-only", "PYTEST_PLUGINS": "no_such_plugin"}
    command = [sys.executable, "-m", "ganbench.cli", "check", SAMPLE]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stdout.endswith("3 checked, 2 with broken rules\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["conftest.py", "pytest.ini"]


def test_no_entry_point_makes_strangers_pytest_load_the_contracts() -> None:
    from importlib.metadata import distribution

    assert not [entry for entry in distribution("ganbench").entry_points if entry.group == "pytest11"]
    assert ALONE[:2] == ["-p", "ganbench.testing.pytest_plugin"]


def test_without_pytest_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def absent(name: str, *rest):
        if name == "pytest":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(GanbenchError, match=r"pip install pytest"):
        check([SAMPLE])


@pytest.mark.parametrize(
    ("act", "says"),
    [
        (lambda x: x.sum().item(), "takes a number out"),
        (lambda x: x[x > 0], "mask"),
        (lambda x: x * torch.tensor(2.0), "torch.tensor"),
        (lambda x: x + torch.rand(()), "draws random numbers"),
        (lambda x: torch.dropout(x, 0.5, train=True), "draws random numbers"),
        (lambda x: torch.masked_select(x, x > 0), "mask"),
    ],
)
def test_what_a_cuda_graph_cannot_capture_is_seen_without_a_gpu(act, says: str) -> None:
    with pytest.raises(AssertionError, match=says), Capture():
        act(torch.ones(3))


def test_what_a_cuda_graph_can_capture_passes() -> None:
    x = torch.linspace(-1, 1, 6).reshape(3, 2)
    with Capture():
        found = (
            torch.where(x > 0, x, 0.1 * x).flatten(1).square().sum(1).sqrt()
            + x.new_zeros(3)
            + x[:, 0]
            + x[:, 1:].squeeze(1)
        )
    assert found.shape == (3,)


def test_guards_see_dice_and_changes_and_let_the_rest_pass() -> None:
    held = {"x": torch.tensor([1.0, torch.nan])}
    with require_no_global_random(), require_unchanged("x", held):
        torch.rand(2, generator=torch.Generator().manual_seed(0))
        held["x"] + 1
    with pytest.raises(AssertionError, match="changes x in place"), require_unchanged("x", held):
        held["x"].add_(1)
    for throw in (lambda: torch.rand(()), __import__("random").random, __import__("numpy").random.rand):
        with pytest.raises(AssertionError, match="global generator"), require_no_global_random():
            throw()


def test_an_offer_that_is_not_stackable_is_held_to_the_loop_alone() -> None:
    """Its .item() is no breach then: rules that need mapping are not generated."""
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
        contract.hold()
        claims.append(contract.rule.claim)
    assert not [claim for claim in claims if "CUDA" in claim or "trained as one" in claim]
