"""Before anything trains a run asks the rules that training relies on, and refuses what breaks one in check's words."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import ganbench
import pytest
from ganbench import GanbenchError, Objective, Offer, hookimpl, plan, registry
from ganbench import suite as suites
from ganbench.runner.offer_checks import collect_questions
from ganbench.testing.contracts import find_breaches
from ganbench.testing.rule import Subject

from tests.support import faulty_plugins, offers_as_written
from tests.support.tiny_suite import suite as tiny_suite

FILE = str(Path(offers_as_written.__file__))
WITHIN_VMAP = " Or declare stackable=False in its Offer."
REFUSED = {
    "rests": "it decides by a tensor's value (`if`, `while`, Python's max): use torch.where",
    "item": "it takes a number out of a tensor (.item(), float(), `if` on a tensor): keep the tensor",
    "numpy": "it leaves torch (NumPy, .data_ptr): use torch's functions only",
    "late-import": "it raised ModuleNotFoundError: No module named 'a_library_that_is_not_here'",
    "each-sample": "the critic's loss has the shape [6]: reduce it to one number",
    "chance": "it draws random numbers from Python's global generator: a loss must not",
    "reads-real": "the generator's loss reads the real scores, which it does not receive: declare paired=True",
    "random-build": "it draws random numbers from torch's global generator: `build` must return the same in every",
}
TRAINED = ("single", "in-place", "constant", "loop-rests", "loop-item")


def method(loss: str, **more: Any) -> dict[str, Any]:
    return {"name": f"with {loss}", "from": "ns-gan", "loss": loss, **more}


def run(folder: Path, **changes: Any) -> dict[str, set[str]]:
    """Run a suite with the offers as written, in this process unless told otherwise; return each method's statuses."""
    settings = {name: changes.pop(name) for name in ("jobs", "limit") if name in changes}
    question = tiny_suite(**{"methods": ["ns-gan"], "seeds": 2, "success": None, **changes})
    files = (FILE, faulty_plugins.__file__)
    frames = ganbench.run(question, results=folder, files=files, **{"jobs": 0, **settings})
    return {str(name): set(rows["status"]) for name, rows in frames.trials.groupby("method")}


def test_every_offer_that_breaks_a_rule_is_named_with_its_place_before_anything_trains(tmp_path: Path) -> None:
    with pytest.raises(GanbenchError) as refused:
        run(tmp_path, method=[method(loss) for loss in REFUSED])
    *lines, last = str(refused.value).splitlines()
    for number, (loss, message) in enumerate(REFUSED.items()):
        assert any(line.startswith(f"suite: method[{number}].loss: loss {loss!r}: {message}") for line in lines), loss
    assert [WITHIN_VMAP in line for line in lines if "'item'" in line] == [True]
    assert last == f"Nothing has trained. All rules: ganbench check {FILE} {faulty_plugins.__file__}"
    assert ganbench.read(tmp_path).trials.empty


@pytest.mark.parametrize("seeds", [1, 4])
def test_what_trains_well_is_never_refused(seeds: int, tmp_path: Path) -> None:
    statuses = run(tmp_path, method=[method(loss) for loss in TRAINED], seeds=seeds)
    assert statuses == {name: {"completed"} for name in ("ns-gan", *(f"with {loss}" for loss in TRAINED))}


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ("dropout", "use no dropout and no noise in networks"),
        ("torch-norm", "as in its own spectral_norm, which writes into a buffer"),
    ],
)
def test_networks_that_cannot_be_mapped_or_use_chance_are_refused_also_for_a_single_seed(
    space: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(GanbenchError) as refused:
        run(tmp_path, architectures={"space": space}, seeds=1)
    assert str(refused.value).startswith(f"suite: architectures: architecture {space!r}: ")
    assert message in str(refused.value)


@pytest.mark.parametrize("space", ["plain", "batch-norm", "loop-torch-norm"])
@pytest.mark.parametrize("seeds", [1, 4])
def test_networks_that_train_are_never_refused(space: str, seeds: int, tmp_path: Path) -> None:
    assert run(tmp_path, architectures={"space": space}, seeds=seeds) == {"ns-gan": {"completed"}}


def test_a_constraint_is_asked_too_and_one_for_networks_of_its_own_is_left_to_its_trials(tmp_path: Path) -> None:
    item = {"name": "p", "from": "ns-gan", "constraints": ["item-penalty"]}
    with pytest.raises(GanbenchError, match=r"constraint 'item-penalty': it takes a number out of a tensor"):
        run(tmp_path / "a", method=[item])
    own = {"name": "p", "from": "ns-gan", "constraints": ["texture-penalty"]}
    assert run(tmp_path / "b", method=[own]) == {"ns-gan": {"completed"}, "p": {"failed"}}


def test_workers_are_asked_where_an_offer_that_kills_them_is_left_to_its_trials(tmp_path: Path) -> None:
    killer = method("kills-worker")
    with pytest.raises(GanbenchError, match=r"loss 'item': it takes a number out of a tensor"):
        run(tmp_path, method=[killer, method("item")], jobs=1)
    assert run(tmp_path, methods=None, method=[killer], jobs=1, seeds=1) == {"with kills-worker": {"failed"}}


def test_nothing_is_asked_when_nothing_is_left_to_train(tmp_path: Path) -> None:
    asked: list[int] = []

    def critic(real: Any, fake: Any) -> Any:
        asked.append(1)
        return offers_as_written.critic(real, fake)

    @hookimpl
    def ganbench_losses() -> Any:
        yield Offer("counted", lambda: Objective(critic, offers_as_written.generator), "Counts its calls.")

    question = tiny_suite(methods=None, method=[method("counted")], seeds=1, success=None)
    for _ in range(2):
        ganbench.run(question, results=tmp_path, offers=[ganbench_losses])
        calls, asked = len(asked), asked[:0]
    assert calls == 0


def test_each_use_of_an_offer_is_asked_once_and_our_own_never() -> None:
    plugins = registry.load(files=[FILE])
    two = [method("item"), method("item", name="again"), method("rests", constraints=["item-penalty"])]
    question = suites.parse(tiny_suite(method=two, architectures={"space": "plain"}, success=None, seeds=40))
    questions = collect_questions(question, plan.make(question, plugins).batches, plugins)
    assert [(kind, part.name) for each in questions.values() for kind, part, _ in each] == [
        ("architectures", "plain"),
        ("losses", "item"),
        ("losses", "rests"),
        ("constraints", "item-penalty"),
    ]


def test_the_rules_of_a_run_never_refuse_our_own_offers() -> None:
    """They are not asked of them in a run; but what is right must pass."""
    plugins = registry.load()
    for kind in ("losses", "constraints", "inputs", "optimizers", "metrics"):
        for offered in plugins.offers(kind):
            assert find_breaches(Subject(offered, plugins)) == []


def test_a_loss_is_asked_without_pytest_and_without_nested_derivatives() -> None:
    """Importing sympy, which torch.func.grad does, would take longer than all the rules."""
    code = (
        "import sys; from ganbench import registry; from ganbench.testing.contracts import find_breaches; "
        "from ganbench.testing.rule import Subject; plugins = registry.load(); "
        "found = find_breaches(Subject(plugins.get('losses', 'hinge'), plugins)); "
        "sys.exit(bool(found) or bool({'pytest', 'sympy'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
