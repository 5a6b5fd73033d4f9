from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ganbench import GanbenchError, Objective, Offer, Scalar, hookimpl
from ganbench.api.trials import canonical_json
from ganbench.registry.registry import Registry, load

PLUGIN = """
from ganbench import Objective, Offer, hookimpl

def build(margin: float = 1.0):
    return Objective(lambda real, fake: margin, lambda real, fake: -margin)

@hookimpl
def ganbench_losses():
    yield Offer("{name}", build, "A third-party loss.")
"""


def write(path: Path, text: str) -> Path:
    """Write a plugin file and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text))
    return path


def install(folder: Path, distribution: str, entry_points: dict[str, str], modules: dict[str, str]) -> None:
    """Write the files of a distribution as an installer does."""
    info = folder / f"{distribution}-2.0.dist-info"
    lines = "".join(f"{name} = {module}\n" for name, module in entry_points.items())
    write(info / "METADATA", f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 2.0\n")
    write(info / "entry_points.txt", f"[ganbench]\n{lines}")
    for module, text in modules.items():
        write(folder / f"{module}.py", text)


def build(target: Scalar = 1.0, power: int = 2) -> Objective:
    """Return a loss that returns the options that `build` received."""
    return Objective(lambda real, fake: (target, power), lambda real, fake: target)


@hookimpl
def ganbench_losses() -> Iterator[Offer]:
    yield Offer("mine", build, "A loss made in a notebook.")


HERE = load(plugins=[ganbench_losses], installed=False)


def test_a_plugin_is_a_function_an_instance_a_class_a_namespace_or_a_module(tmp_path: Path) -> None:
    class Plugin:
        @hookimpl
        def ganbench_losses(self) -> Iterator[Offer]:
            yield Offer("mine", build, "A loss of an object.")

    module = sys.modules[__name__]
    for plugin in (ganbench_losses, Plugin(), Plugin, SimpleNamespace(ganbench_losses=ganbench_losses), module):
        assert load(plugins=[plugin], installed=False).names("losses") == ("mine",)


def test_a_plugin_file_needs_no_packaging(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.py", PLUGIN.format(name="hers"))
    registry = load(files=[path, str(path)], installed=False)
    offered = registry.get("losses", "hers")
    assert (offered.provider, offered.origin) == ("mine.py", str(path))
    assert isinstance(registry.build("losses", "hers", {"margin": 3}), Objective)


def test_a_plugin_files_module_can_be_found_again(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.py", PLUGIN.format(name="hers"))
    build = load(files=[path], installed=False).get("losses", "hers").offer.build
    assert getattr(sys.modules[build.__module__], build.__name__) is build


def test_installed_plugins_of_several_distributions_are_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "acme-gan", {"losses.acme": "acme_loss"}, {"acme_loss": PLUGIN.format(name="acme")})
    monkeypatch.syspath_prepend(str(tmp_path))
    registry = load()
    assert registry.get("losses", "acme").provider == "acme-gan 2.0"
    assert registry.get("losses", "wasserstein").provider.startswith("ganbench ")


def test_a_plugin_that_fails_to_import_is_kept_as_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = {"losses.broken": "broken_loss", "gone": "gone_module"}
    install(tmp_path, "broken-gan", broken, {"broken_loss": "import no_such_thing"})
    monkeypatch.syspath_prepend(str(tmp_path))
    registry = load()
    assert "wasserstein" in registry.names("losses")
    problems = {problem.entry_point: problem for problem in registry.problems}
    assert problems.keys() >= broken.keys()
    assert problems["losses.broken"].distribution == "broken-gan 2.0"
    assert "No module named 'no_such_thing'" in problems["losses.broken"].traceback
    with pytest.raises(GanbenchError) as caught:
        registry.get("losses", "broken")
    assert "'losses.broken' of broken-gan 2.0 failed to import" in str(caught.value)
    assert "ganbench doctor" in str(caught.value)
    with pytest.raises(GanbenchError) as caught:
        registry.get("optimizers", "broken")
    assert "losses.broken" not in str(caught.value)
    assert "'gone' of broken-gan 2.0" in str(caught.value)


def test_an_unknown_name_is_refused_with_place_and_nearest_name() -> None:
    with pytest.raises(GanbenchError) as caught:
        HERE.get("losses", "mien", where="suites/ring.toml: method 'x'")
    assert str(caught.value) == "suites/ring.toml: method 'x': no loss 'mien'. Did you mean 'mine'? Known: mine."


def make_plugin(hook: str, body: str) -> Any:
    """Return a plugin with one hook, whose code is `body`."""
    names: dict[str, Any] = {"Offer": Offer, "hookimpl": hookimpl}
    exec(f"@hookimpl\ndef {hook}:\n    {body}", names)
    return SimpleNamespace(**{hook.partition("(")[0]: names[hook.partition("(")[0]]}, __name__="acme")


@pytest.mark.parametrize(
    ("hook", "body", "fragments"),
    [
        ("ganbench_loses()", "yield", ["acme", "no hook 'ganbench_loses'", "Did you mean 'ganbench_losses'?"]),
        ("losses()", "yield", ["acme", "no hook 'losses'", "Known: ganbench_architectures"]),
        ("ganbench_losses(suite)", "yield", ["acme", "ganbench_losses", "suite", "Hooks take no arguments."]),
        ("ganbench_losses()", "yield 3", ["acme", "ganbench_losses yields 3", "Yield Offer("]),
        ("ganbench_losses()", "return None", ["acme", "returns None", "yield Offer("]),
        ("ganbench_losses()", "return Offer('a', int, '')", ["acme", "returns Offer(", "yield Offer("]),
        ("ganbench_losses()", "yield Offer('', int, '')", ["acme", "'' is not a name", "1 to 100 printable"]),
        ("ganbench_losses()", "yield Offer('a\\x1b[31m', int, '')", ["'a\\x1b[31m' is not a name"]),
        ("ganbench_losses()", "yield Offer('a' * 101, int, '')", ["is not a name", "100"]),
        ("ganbench_losses()", "yield Offer(3, int, '')", ["3 is not a name"]),
        ("ganbench_losses()", "yield Offer('a', 3, '')", ["'a': `build` is 3", "a function"]),
    ],
)
def test_a_hook_that_cannot_be_used_is_refused(hook: str, body: str, fragments: list[str]) -> None:
    with pytest.raises(GanbenchError) as caught:
        load(plugins=[make_plugin(hook, body)], installed=False)
    assert all(fragment in str(caught.value) for fragment in fragments), str(caught.value)


def test_a_hook_without_its_mark_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "mine.py", PLUGIN.format(name="hers").replace("@hookimpl", ""))
    with pytest.raises(GanbenchError, match=r"mine.py: ganbench_losses is not marked .* @hookimpl"):
        load(files=[path], installed=False)


def test_a_plugin_without_hooks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GanbenchError, match=r"mine.py: no hook in .* ganbench_losses"):
        load(files=[write(tmp_path / "mine.py", "x = 1")], installed=False)


def test_the_error_for_a_hook_that_raises_names_its_provider() -> None:
    with pytest.raises(GanbenchError, match="acme: ganbench_losses failed: ZeroDivisionError: division by zero"):
        load(plugins=[make_plugin("ganbench_losses()", "yield 1 / 0")], installed=False)


def test_two_offers_with_one_name_are_refused_with_both_providers(tmp_path: Path) -> None:
    mine, hers = (write(tmp_path / f"{who}.py", PLUGIN.format(name="same")) for who in ("mine", "hers"))
    with pytest.raises(GanbenchError) as caught:
        load(files=[mine, hers], installed=False)
    assert "loss 'same' is provided twice" in str(caught.value)
    assert all(text in str(caught.value) for text in (f"mine.py ({mine})", f"hers.py ({hers})", "Rename one"))


@pytest.mark.parametrize(
    ("text", "message"),
    [("import math\nmath.sqrt(-1)", ":2: ValueError"), ("x = (\n", ":1: SyntaxError"), ("raise SystemExit", ":1: Sys")],
)
def test_the_error_for_a_file_that_fails_to_import_names_file_and_line(text: str, message: str, tmp_path: Path) -> None:
    path = write(tmp_path / "mine.py", text)
    with pytest.raises(GanbenchError) as caught:
        load(files=[path], installed=False)
    assert str(caught.value).startswith(f"{path}{message}")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.py"):
        with pytest.raises(GanbenchError, match="no such plugin file"):
            load(files=[path], installed=False)


def test_the_error_for_an_option_names_the_place_in_the_suite() -> None:
    with pytest.raises(GanbenchError) as caught:
        HERE.options("losses", "mine", {"tarjet": 1}, where="suites/ring.toml")
    assert str(caught.value) == (
        "suites/ring.toml: loss 'mine': no option 'tarjet' (given 1). Did you mean 'target'? "
        "Options: target: Scalar = 1.0, power: int = 2."
    )
    assert canonical_json(HERE.options("losses", "mine", {"target": 2, "power": 2})) == '{"target":2.0}'


def test_a_schedule_reaches_build_as_the_value_that_the_caller_makes_of_it() -> None:
    def received(target: Any, **more: Any) -> Any:
        return HERE.build("losses", "mine", {"target": target}, **more).critic(None, None)

    table = {"linear": [0.1, 0.0], "over": 0.5}
    assert received(table, scalar=lambda schedule: ("made of", schedule)) == (("made of", table), 2)
    assert received(table) == (0.1, 2)
    assert received(3, scalar=lambda schedule: 0 / 0) == (3.0, 2)


def registry_with_failing_build(error: Exception) -> Registry:
    """Return a registry with one loss whose build raises."""

    def build() -> None:
        raise error

    @hookimpl
    def ganbench_losses() -> Iterator[Offer]:
        yield Offer("mine", build, "A loss that fails.")

    return load(plugins=[SimpleNamespace(ganbench_losses=ganbench_losses, __name__="acme")], installed=False)


def test_the_error_of_a_failed_build_names_the_offer_and_its_provider() -> None:
    with pytest.raises(GanbenchError, match=r"ring.toml: loss 'mine': build of acme failed: ZeroDivisionError: by 0"):
        registry_with_failing_build(ZeroDivisionError("by 0")).build("losses", "mine", where="ring.toml")
    with pytest.raises(GanbenchError, match="loss 'mine': pack = 2 does not go with labels"):
        registry_with_failing_build(GanbenchError("pack = 2 does not go with labels.")).build("losses", "mine")


def test_the_code_hash_of_an_offer_depends_on_its_file_but_not_on_its_path(tmp_path: Path) -> None:
    def hash_in(folder: str, change: Callable[[str], str]) -> str:
        path = write(tmp_path / folder / "mine.py", change(PLUGIN.format(name="hers")))
        return load(files=[path], installed=False).code("losses", "hers")

    original = hash_in("a", str)
    assert hash_in("b", lambda text: text.replace("\ndef", "\n# a comment\n\ndef")) == original
    assert hash_in("c", lambda text: text.replace("-margin", "-margin ** 2")) != original


def test_all_our_own_offers_have_options_and_a_code_hash() -> None:
    registry = load()
    everything = [offered for kind in registry.kinds for offered in registry.offers(kind)]
    assert everything
    for offered in everything:
        assert str(offered.options)
        assert len(registry.code(offered.kind, offered.offer.name)) == 64
        needed = {name: name for name, option in offered.options.parameters.items() if option.default is option.empty}
        assert registry.options(offered.kind, offered.offer.name, needed) == needed
