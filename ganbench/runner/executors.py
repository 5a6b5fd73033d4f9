"""Which executor a run uses, and with which options: what the user says now, else their own configuration file.

The file is `config.toml` in the user's configuration folder, or what GANBENCH_CONFIG names. It is no part of a suite,
since it changes no number:

    executor = "ray"

    [executors.ray]
    address = "auto"
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganbench.errors import GanbenchError, shorten, unknown_name
from ganbench.runner.execution import Executor
from ganbench.runner.settings import Settings
from ganbench.suite.tables import DEFAULTS
from ganbench.testing.given_options import parse_value

if TYPE_CHECKING:
    from ganbench.registry.registry import Registry

KEYS = ("executor", "executors")
"""What the configuration file may hold."""


@dataclass(frozen=True, kw_only=True)
class UserConfig:
    """The user's configuration: the executor that runs use, "" if none is named, and options by executor."""

    path: Path
    executor: str = ""
    executors: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def find_user_config() -> Path:
    """Return where the user's configuration file is looked for."""
    if chosen := os.environ.get("GANBENCH_CONFIG"):
        return Path(chosen).expanduser()
    from platformdirs import user_config_path

    return user_config_path("ganbench") / "config.toml"


def read_user_config() -> UserConfig:
    """Return the user's configuration, an empty one where there is no file; raise GanbenchError for a wrong file."""
    path = find_user_config()
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return UserConfig(path=path)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise GanbenchError(f"{path}: cannot be read ({reason}). Mend or remove this configuration file.") from error
    for key in table:
        if key not in KEYS:
            raise unknown_name("key", key, KEYS, str(path))
    executor, executors = table.get("executor", ""), table.get("executors", {})
    if not isinstance(executor, str):
        raise GanbenchError(f'{path}: executor = {shorten(executor)}: write a name, as in executor = "local".')
    if not isinstance(executors, dict) or not all(isinstance(options, dict) for options in executors.values()):
        raise GanbenchError(f"{path}: executors: write a table of options for each, as in [executors.local].")
    return UserConfig(path=path, executor=executor, executors=executors)


def apply_user_config(settings: Settings) -> Settings:
    """Return the settings with the executor, and those of its options, that they leave to the user's configuration."""
    if settings.in_process:
        return settings
    config = read_user_config()
    executor = settings.executor or config.executor or DEFAULTS["executor"]
    said = {name for name in ("jobs", "timeout") if getattr(settings, name) is not None}
    options = {name: value for name, value in config.executors.get(executor, {}).items() if name not in said}
    return replace(settings, executor=executor, executor_options={**options, **settings.executor_options})


def read_options(texts: Sequence[str]) -> dict[str, Any]:
    """Return the options that texts `KEY=VALUE` name; a value is TOML, or else a string."""
    options: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise GanbenchError(f"--executor-option {shorten(text)}: write KEY=VALUE, as in jobs=4.")
        options[key.strip()] = parse_value(value.strip())
    return options


def choose_executor(settings: Settings) -> str:
    """Return the name of the executor of a run with these settings."""
    return DEFAULTS["executor here"] if settings.in_process else settings.executor or DEFAULTS["executor"]


def build_executor(settings: Settings, plugins: Registry) -> Executor:
    """Return the executor of a run with these settings.

    `jobs` and `timeout` become its options of these names. Raise GanbenchError for an unknown executor, an option that
    it does not have, a wrong value, and a library that it lacks.
    """
    name = choose_executor(settings)
    known = plugins.get("executors", name, "--executor").options
    options = dict(settings.executor_options)
    for setting, value in (("jobs", settings.jobs or None), ("timeout", settings.timeout)):
        if value is None:
            continue
        if setting not in known.parameters:
            raise GanbenchError(
                f"--{setting} = {value:g}: executor {name!r} has no option {setting!r}. Leave it out, or choose "
                f"another executor. Options of this one: {known}."
            )
        options[setting] = value
    executor: Executor = plugins.build("executors", name, options, where="--executor")
    return executor
