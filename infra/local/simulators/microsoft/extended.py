"""Data of applications on events: single-value extended properties and open extensions.

They are returned only where $expand asks for them (vendor docs: singlevaluelegacyextendedproperty-get,
opentypeextension-get), and never by delta.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from infra.local.simulators.microsoft import errors
from infra.local.simulators.microsoft.items import Extras

EXTENSION_TYPE = "#microsoft.graph.openTypeExtension"
_EXTENSION_PREFIX = "Microsoft.OutlookServices.OpenTypeExtension."
_NAMED = re.compile(r"(\w+)\s+\{?([0-9A-Fa-f-]{36})\}?\s+(Name|Id)\s+(\S.*)", re.IGNORECASE)
_TAGGED = re.compile(r"(\w+)\s+(0x[0-9A-Fa-f]{1,4})")


def property_id(given: Any) -> str:
    """The canonical id of an extended property: the GUID in lower case, the name as it is. Raises Refused."""
    if isinstance(given, str):
        if found := _NAMED.fullmatch(given.strip()):
            kind, guid, way, name = found.groups()
            return f"{kind.capitalize()} {{{guid.lower()}}} {way.capitalize()} {name}"
        if found := _TAGGED.fullmatch(given.strip()):
            return f"{found[1].capitalize()} {found[2].lower()}"
    raise errors.invalid("The extended property's id is malformed.", "ErrorInvalidPropertySet")


def extension_name(given: str) -> str:
    """The name of an open extension given by its name or its full id."""
    return given.removeprefix(_EXTENSION_PREFIX)


def extension_id(given: str) -> str:
    """The full id of an open extension given by its name or its full id."""
    return _EXTENSION_PREFIX + extension_name(given)


def written(body: Mapping[str, Any], before: Extras) -> Extras:
    """The extras after a client's write: named properties and extensions change, others stay. Raises Refused."""
    extras = before
    if (given := body.get("singleValueExtendedProperties")) is not None:
        extras = replace(extras, properties={**extras.properties, **_properties(given)})
    if (given := body.get("extensions")) is not None:
        named = dict(_extension(one) for one in _listed(given, "extensions"))
        extras = replace(extras, extensions={**extras.extensions, **named})
    return extras


def with_extension(body: Any, before: Extras) -> tuple[str, Extras]:
    """The extras with one extension set, and its name. Raises Refused."""
    name, data = _extension(body)
    return name, replace(before, extensions={**before.extensions, name: data})


def without_extension(name: str, before: Extras) -> Extras:
    """The extras without one extension."""
    return replace(before, extensions={key: data for key, data in before.extensions.items() if key != name})


def properties_json(extras: Extras, ids: set[str]) -> list[dict[str, str]]:
    """The resources of the properties that $expand asked for."""
    return [{"id": key, "value": value} for key, value in extras.properties.items() if key in ids]


def extension_json(name: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """An openTypeExtension."""
    return {"@odata.type": EXTENSION_TYPE, "extensionName": name, "id": extension_id(name), **data}


def _properties(given: Any) -> dict[str, str]:
    result = {}
    for one in _listed(given, "singleValueExtendedProperties"):
        if set(one) - {"id", "value", "@odata.type"}:
            raise errors.unknown_property(sorted(set(one) - {"id", "value"})[0], "singleValueLegacyExtendedProperty")
        if not isinstance(one.get("value"), str):
            raise errors.unreadable("An extended property's value must be a string.")
        result[property_id(one.get("id"))] = one["value"]
    return result


def _extension(given: Any) -> tuple[str, dict[str, Any]]:
    if not isinstance(given, dict) or not isinstance(given.get("extensionName"), str) or not given["extensionName"]:
        raise errors.invalid("An open extension needs an extensionName.", "ErrorPropertyRequired")
    data = {
        key: value for key, value in given.items() if not key.startswith("@") and key not in {"extensionName", "id"}
    }
    return extension_name(given["extensionName"]), data


def _listed(given: Any, name: str) -> list[dict[str, Any]]:
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise errors.unreadable(f"The property '{name}' must be a collection of objects.")
    return given
