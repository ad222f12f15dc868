"""Keywords of params.yaml, checked against the callables that they are for.

The keyword-only parameters of a function, a class or a dataclass are the keys of its section in params.yaml: their
names, types, defaults and docstring stand there and nowhere else.

    def adamw(parameters, learning_rate, *, betas: tuple[Beta, Beta] = (0.9, 0.999)) -> Optimizer

is the section `{name: adamw, betas: [0.9, 0.999]}` where a keyword is annotated with `OneOf(OPTIMIZERS)`.
"""

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, is_dataclass
from dataclasses import fields as dataclass_fields
from functools import cache
from typing import Any, ClassVar, Literal, get_type_hints

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    ModelWrapValidatorHandler,
    TypeAdapter,
    ValidationError,
    create_model,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, ErrorDetails, InitErrorDetails, PydanticCustomError, core_schema

from hourglass.config.messages import EXPLAINED, explain
from hourglass.config.types import Positive
from hourglass.console.errors import nearest

MOST_MISTAKES = 100  # told of one section; a search for the nearest known key takes a while
Target = Callable[..., Any]
Location = tuple[int | str, ...]


class Section(BaseModel):
    """Keywords; an unknown one is an error that names the nearest known one, and hides no other error."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True, validate_default=True)
    target: ClassVar[Target]

    @model_validator(mode="wrap")
    @classmethod
    def _explain(cls, values: object, handler: ModelWrapValidatorHandler["Section"]) -> "Section":
        try:
            section = handler({} if values is None else values)
        except ValidationError as error:
            found = _without_echo(error.errors()[:MOST_MISTAKES], cls.model_fields)
            errors = [cls._explained(details) for details in found]
            raise ValidationError.from_exception_data(cls.__name__, errors) from None
        if is_dataclass(cls.target):
            cls._construct(section)
        return section

    @classmethod
    def _construct(cls, section: "Section") -> None:
        """Let the dataclass check its keywords together; a ValueError that begins with `key: ` or `'key' ` is there."""
        try:
            cls.target(**{key: value for key, value in section if key in inspect.signature(cls.target).parameters})
        except ValueError as error:
            named = re.match(r"(\w+): |'(\w+)' ", str(error))
            key = (named[1] or named[2]) if named else ""
            if named is None or key not in cls.model_fields:
                raise
            message = str(error)[named.end() :] if named[1] else str(error)
            kind = PydanticCustomError("value_error", "{explained}", {EXPLAINED: message})
            details = InitErrorDetails(type=kind, loc=(key,), input=getattr(section, key))
            raise ValidationError.from_exception_data(cls.__name__, [details]) from None

    @classmethod
    def _explained(cls, error: ErrorDetails) -> InitErrorDetails:
        message = explain(error, cls.model_fields)
        kind = PydanticCustomError(error["type"], "{explained}", {EXPLAINED: message})
        where = (*error["loc"], "name") if error["type"] == "union_tag_invalid" else error["loc"]
        return InitErrorDetails(type=kind, loc=where, input=error["input"])


def _without_echo(errors: Iterable[ErrorDetails], known: Iterable[str]) -> list[ErrorDetails]:
    """Leave out what another error explains: that a key is missing which is misspelt, a list short of a wrong item."""
    errors = list(errors)
    meant = {nearest(error["loc"][-1], known) for error in errors if error["type"] == "extra_forbidden"}
    wrong = {error["loc"][:length] for error in errors for length in range(len(error["loc"]))}
    return [
        error
        for error in errors
        if not (error["type"] == "missing" and error["loc"][-1] in meant)
        and not (error["type"] == "too_short" and error["loc"] in wrong)
    ]


@cache
def section(target: Target, name: str = "") -> type[Section]:
    """Return the pydantic model of the keyword-only parameters of `target`, with the key `name` if there is one."""
    function = target.__init__ if isinstance(target, type) else target  # type: ignore[misc]
    hints = get_type_hints(function, include_extras=True)
    factories = (
        {field.name: field.default_factory for field in dataclass_fields(target)} if is_dataclass(target) else {}
    )
    fields: dict[str, Any] = {"name": (Literal[name], ...)} if name else {}
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY:
            fields[parameter.name] = (hints[parameter.name], _default(parameter, factories.get(parameter.name)))
    model: type[Section] = create_model(target.__name__, __base__=Section, __module__=target.__module__, **fields)
    model.target = target
    return model


def _default(parameter: inspect.Parameter, factory: Any) -> FieldInfo:  # noqa: ANN401  # MISSING, or a callable
    if callable(factory):
        field: FieldInfo = Field(default_factory=factory)
    else:
        field = Field(... if parameter.default is parameter.empty else parameter.default)
    return field


def _to_keywords(schema: CoreSchema) -> CoreSchema:
    """Hand over a checked section as the plain keywords that functions take."""
    return core_schema.no_info_after_validator_function(dict, schema)


@dataclass(frozen=True)
class Keywords:
    """Annotates a mapping that holds the keywords of `target`."""

    target: Target

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return _to_keywords(handler.generate_schema(section(self.target)))


class OneOf:
    """Annotates a mapping that holds `name`, a key of `targets`, and the keywords of the target of that name."""

    def __init__(self, targets: Mapping[str, Target]) -> None:
        self.targets = targets

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        kinds = {name: handler.generate_schema(section(target, name)) for name, target in self.targets.items()}
        return _to_keywords(core_schema.tagged_union_schema(kinds, "name"))


@dataclass(frozen=True, eq=False)  # by identity: annotations are hashed, dictionaries cannot be
class Weights:
    """Annotates a mapping from keys of `targets` to positive numbers: the terms of a weighted sum, one at least."""

    targets: Mapping[str, Target]

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        names, weights = core_schema.literal_schema(list(self.targets)), handler.generate_schema(Positive)
        return core_schema.dict_schema(names, weights, min_length=1)


@dataclass(frozen=True)
class Mistake:
    """One mistake: where it is, the keys that lead to what the message is about, and one line."""

    where: Location
    about: Location
    message: str


def read(annotation: Any, value: object) -> Any:  # noqa: ANN401  # an annotation, and what it annotates
    """Return `value` as `annotation` says; raise pydantic's ValidationError, of which `mistakes` makes messages."""
    return _adapter(annotation).validate_python(value)


@cache
def _adapter(annotation: Any) -> TypeAdapter[Any]:  # noqa: ANN401
    return TypeAdapter(annotation)


def mistakes(error: ValidationError, value: object) -> list[Mistake]:
    """Return all mistakes in `value`."""
    found = []
    for details in error.errors():
        where = _place(details["loc"], value)
        # The name of an unknown key is in the message: the section is what knows no such key.
        about = where[:-1] if details["type"] == "extra_forbidden" else where
        found.append(Mistake(where, about, explain(details)))
    return found


def _place(location: Location, value: object) -> Location:
    """Leave the names of kinds, which pydantic puts beside the keys, out of a location."""
    place: list[int | str] = []
    for part in location:
        if part == "[key]":
            continue
        if isinstance(value, Mapping):
            if part not in value and value.get("name") == part:
                continue
            value = value.get(part)
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            value = value[part]
        else:
            value = None
        place.append(part)
    return tuple(place)
