r"""Tool calls as text that any chat template can carry, and the tools that were on offer.

A call is written into the assistant's message in the form that Hermes and Qwen models are trained on,
``<tool_call>\n{"name": …, "arguments": {…}}\n</tool_call>``, and its result is a message of the role ``tool``.
Chat templates differ in whether and how they take calls as data; this form is trained, tokenized and scrubbed like
any other text, with every template that prints the role and content of each message.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from fineline.resources.data.formats.rows import SourceError, is_too_deep
from fineline.resources.data.shapes.content import Message, UnfitRowError

OPEN, CLOSE = "<tool_call>", "</tool_call>"
Services = Mapping[str, Sequence[Mapping[str, Any]]]


def from_json(text: str, refusal: str) -> Any:
    """The value of a JSON text. Raises UnfitRowError with the refusal where it is no JSON or nested too deeply."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnfitRowError(refusal) from error
    if is_too_deep(value):
        raise UnfitRowError(refusal)
    return value


def call_text(calls: Any, place: str) -> str:
    """One call or several as text. Raises UnfitRowError where one has no name, or arguments that are no object."""
    several = calls if isinstance(calls, list) else [calls]
    return "\n".join(_call(call, place) for call in several)


def is_call(message: Message) -> bool:
    """Whether the assistant calls a tool in this message."""
    return message["role"] == "assistant" and OPEN in message["content"]


def tools_json(value: Any, column: str, services: Services | None) -> str | None:
    """The tools on offer as a JSON list of schemas; names stand for the tools of a service.

    Raises:
        UnfitRowError: it is no list of schemas, or names a service that is not known.
    """
    if isinstance(value, str):
        value = from_json(value, f"column {column}: text that is no JSON")
    if value is None:
        return None
    if not isinstance(value, list):
        raise UnfitRowError(f"column {column} holds {type(value).__name__}, not a list of tools")
    tools: list[Mapping[str, Any]] = []
    for each in value:
        if isinstance(each, Mapping):
            tools.append(each)
        elif services is None or not isinstance(each, str) or each not in services:
            raise UnfitRowError(f"column {column} holds a tool that is no schema and no service that `services` knows")
        else:
            tools += services[each]
    return json.dumps(tools, ensure_ascii=False) if tools else None


def read_services(content: bytes, source: str) -> Services:
    """The tools of each service of a Schema-Guided schema file, as JSON schemas of functions.

    Raises:
        SourceError: the file is no such schema.
    """
    try:
        return {
            each["service_name"]: [_function(each, intent) for intent in each["intents"]]
            for each in json.loads(content)
        }
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise SourceError(
            f"{source}: the file of `services` is no Schema-Guided schema: a list of objects with service_name, slots "
            "and intents."
        ) from error


def _function(service: Mapping[str, Any], intent: Mapping[str, Any]) -> Mapping[str, Any]:
    slots = {slot["name"]: slot for slot in service["slots"]}
    properties = {}
    for name in [*intent["required_slots"], *intent["optional_slots"]]:
        properties[name] = {"type": "string", "description": slots[name]["description"]}
        if slots[name]["is_categorical"]:
            properties[name]["enum"] = slots[name]["possible_values"]
    parameters = {"type": "object", "properties": properties, "required": intent["required_slots"]}
    about = f"{intent['description']} ({service['description']})"
    return {"type": "function", "function": {"name": intent["name"], "description": about, "parameters": parameters}}


def _call(call: Any, place: str) -> str:
    if isinstance(call, str):
        call = from_json(call, f"{place}: text that is no JSON")
    if isinstance(call, Mapping) and isinstance(call.get("function"), Mapping):
        call = call["function"]
    if not isinstance(call, Mapping) or not isinstance(call.get("name"), str):
        raise UnfitRowError(f"{place} holds a tool call without a name")
    arguments = call.get("arguments") or {}
    if isinstance(arguments, str):
        arguments = from_json(arguments, f"{place}, arguments of a tool call: text that is no JSON")
    if not isinstance(arguments, Mapping):
        raise UnfitRowError(f"{place} holds a tool call whose arguments are no JSON object")
    written = json.dumps({"name": call["name"], "arguments": arguments}, ensure_ascii=False)
    return f"{OPEN}\n{written}\n{CLOSE}"
