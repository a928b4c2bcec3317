"""What an engine can be told: the fields of its own small dataclass, of which the command line's options are made."""

import argparse
import dataclasses
from collections.abc import Mapping
from typing import Any

from videotag.errors import UserError

Family = Mapping[str, Any]
"""Classes of engines by name, each with its `Options`; a field that several of them have is one option."""


def option(default: Any, help: str, **argument: Any) -> Any:
    """A dataclass's field that can be named on the command line.

    `argument` as `add_argument` takes it; `flag`, if it is not the field's name, and `also`, other ways to write it.
    """
    return dataclasses.field(default=default, metadata={"help": help, **argument})


def add_options(group: argparse._ArgumentGroup, family: Family) -> None:
    """Add every option of the family; the help says which engines it is for, if not for all."""
    for field, engines in _options(family):
        only = "" if len(engines) == len(family) else f"{', '.join(engines)}: "
        argument = {**field.metadata, "help": only + field.metadata["help"], "flag": _flag(field)}
        flags = [argument.pop("flag"), *argument.pop("also", ())]
        group.add_argument(*flags, dest=field.name, default=None, **argument)


def named_options(args: argparse.Namespace, family: Family) -> dict[str, Any]:
    """What the user named, by field."""
    return {field.name: value for field, _ in _options(family) if (value := getattr(args, field.name)) is not None}


def options_of(kind: str, name: str, family: Family, named: Mapping[str, Any]) -> Any:
    """The engine's `Options` with what is named. `kind`: as the option is called that chooses one ("analyzer").

    Raises:
        UserError: the engine has no use for one of them.
    """
    for field, engines in _options(family):
        if field.name in named and name not in engines:
            remedy = f"the {kind} {name} has no use for it; add --{kind} {' or '.join(engines)}"
            raise UserError(f"{_flag(field)}: {remedy}")
    return family[name].Options(**named)


def _flag(field: dataclasses.Field[Any]) -> str:
    return field.metadata.get("flag") or f"--{field.name.replace('_', '-')}"


def _options(family: Family) -> list[tuple[dataclasses.Field[Any], list[str]]]:
    """Each option, and the engines that it is for."""
    found: dict[str, tuple[dataclasses.Field[Any], list[str]]] = {}
    for name, engine in family.items():
        for field in filter(lambda field: field.init, dataclasses.fields(engine.Options)):
            found.setdefault(field.name, (field, []))[1].append(name)
    return list(found.values())
