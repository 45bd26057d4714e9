"""Extended properties and open extensions: written, expanded, filtered, and kept out of everything else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.simulators.microsoft.api import MARKER, event_path, timed, weekly

if TYPE_CHECKING:
    from tests.simulators.microsoft.api import Api

EXPAND = f"singleValueExtendedProperties($filter=id eq '{MARKER}')"
NAME = "com.kalends.mirror"


def marked(value: str, subject: str = "Meeting") -> dict[str, Any]:
    """An event with our extended property."""
    return timed(subject, singleValueExtendedProperties=[{"id": MARKER, "value": value}])


def having(value: str, property_id: str = MARKER) -> str:
    """The filter for an extended property's value."""
    return f"singleValueExtendedProperties/Any(ep: ep/id eq '{property_id}' and ep/value eq '{value}')"


async def test_a_property_comes_only_where_it_is_expanded(alex: Api) -> None:
    made = await alex.create(marked("m1"))

    plain = await alex.get(made["id"])
    expanded = await alex.get(made["id"], _expand=EXPAND)

    assert "singleValueExtendedProperties" not in made
    assert "singleValueExtendedProperties" not in plain
    assert expanded["singleValueExtendedProperties"] == [{"id": MARKER, "value": "m1"}]


async def test_a_property_is_found_by_its_value_in_any_case_and_by_its_guid_in_any_case(alex: Api) -> None:
    made, _ = await alex.create(marked("Mirror-1")), await alex.create(marked("mirror-2"))
    upper = MARKER.replace("5f2ac1ba", "5F2AC1BA")

    found = await alex.call("GET", "/me/events", _filter=having("MIRROR-1", upper), _expand=EXPAND)
    prefixed = await alex.call(
        "GET",
        "/me/events",
        _filter=f"singleValueExtendedProperties/any(e:e/id eq '{MARKER}' and startswith(e/value,'mirror'))",
    )

    assert [one["id"] for one in found.value] == [made["id"]]
    assert found.value[0]["singleValueExtendedProperties"][0]["value"] == "Mirror-1"
    assert len(prefixed.value) == 2


async def test_the_name_of_a_property_is_case_sensitive(alex: Api) -> None:
    await alex.create(marked("m1"))

    reply = await alex.call("GET", "/me/events", _filter=having("m1", MARKER.replace("kalends", "Kalends")))

    assert reply.value == []


async def test_a_patch_changes_the_property_it_names_and_the_change_key(alex: Api) -> None:
    other = MARKER + "2"
    made = await alex.create(marked("m1"))
    await alex.patch(made["id"], {"singleValueExtendedProperties": [{"id": other, "value": "o"}]})

    reply = await alex.patch(made["id"], {"singleValueExtendedProperties": [{"id": MARKER, "value": "m2"}]})

    both = await alex.get(
        made["id"], _expand=f"singleValueExtendedProperties($filter=id eq '{MARKER}' or id eq '{other}')"
    )
    assert {one["id"]: one["value"] for one in both["singleValueExtendedProperties"]} == {MARKER: "m2", other: "o"}
    assert reply.body["changeKey"] != made["changeKey"]
    assert (await alex.call("GET", "/me/events", _filter=having("m1"))).value == []


async def test_a_deleted_event_is_not_found_by_its_property(alex: Api) -> None:
    made = await alex.create(marked("m1"))

    await alex.delete(made["id"])

    assert (await alex.call("GET", "/me/events", _filter=having("m1"))).value == []


async def test_occurrences_have_their_series_properties(alex: Api) -> None:
    master = await alex.create({**marked("m1"), "recurrence": weekly("monday")})

    reply = await alex.call(
        "GET",
        event_path(master["id"]) + "/instances",
        startDateTime="2026-03-01",
        endDateTime="2026-03-10",
        _expand=EXPAND,
    )

    assert [one["singleValueExtendedProperties"][0]["value"] for one in reply.value] == ["m1", "m1"]


@pytest.mark.parametrize("id_", ["kalends", "String {not-a-guid} Name x", ""])
async def test_a_malformed_property_id_is_refused(alex: Api, id_: str) -> None:
    reply = await alex.call("POST", "/me/events", timed(singleValueExtendedProperties=[{"id": id_, "value": "x"}]))

    assert reply.status == 400


async def test_expanding_properties_needs_a_filter(alex: Api) -> None:
    made = await alex.create(marked("m1"))

    reply = await alex.call("GET", event_path(made["id"]), _expand="singleValueExtendedProperties")

    assert (reply.status, reply.code) == (400, "ErrorInvalidUrlQuery")


async def test_an_extension_made_with_the_event_is_expanded_and_filtered(alex: Api) -> None:
    extension = {"@odata.type": "microsoft.graph.openTypeExtension", "extensionName": NAME, "link": "l1", "n": 3}
    made, _ = await alex.create(timed(extensions=[extension])), await alex.create(timed())

    expanded = await alex.get(made["id"], _expand=f"extensions($filter=id eq '{NAME}')")
    listed = await alex.call("GET", "/me/events", _filter=f"Extensions/any(f:f/id eq '{NAME}')", _expand="extensions")

    full = f"Microsoft.OutlookServices.OpenTypeExtension.{NAME}"
    expected = {"@odata.type": "#microsoft.graph.openTypeExtension", "extensionName": NAME, "id": full}
    assert expanded["extensions"] == [expected | {"link": "l1", "n": 3}]
    assert [one["id"] for one in listed.value] == [made["id"]]
    assert listed.value[0]["extensions"] == expanded["extensions"]
    assert "extensions" not in await alex.get(made["id"])


async def test_an_extension_has_a_life_of_its_own(alex: Api) -> None:
    made = await alex.create(timed())
    path = event_path(made["id"]) + "/extensions"

    added = await alex.call("POST", path, {"extensionName": NAME, "a": 1})
    changed = await alex.call("PATCH", f"{path}/{NAME}", {"b": 2})
    by_id = await alex.call("GET", f"{path}/{added.body['id']}")
    removed = await alex.call("DELETE", f"{path}/{NAME}")
    gone = [await alex.call(method, f"{path}/{NAME}", {}) for method in ("GET", "PATCH", "DELETE")]

    assert [added.status, changed.status, by_id.status, removed.status] == [201, 200, 200, 204]
    assert (by_id.body["b"], "a" in by_id.body) == (2, False)
    assert [reply.status for reply in gone] == [404, 404, 404]


async def test_an_extension_on_an_occurrence_makes_it_an_exception(alex: Api) -> None:
    master = await alex.create(timed(recurrence=weekly("monday")))
    found = await alex.instances(master["id"], "2026-03-01", "2026-04-01")

    await alex.call("POST", event_path(found[1]["id"]) + "/extensions", {"extensionName": NAME, "a": 1})

    assert (await alex.get(found[1]["id"]))["type"] == "exception"
    assert "extensions" not in await alex.get(found[0]["id"], _expand="extensions")
