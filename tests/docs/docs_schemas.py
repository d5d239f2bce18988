"""The parts of asyncapi.yaml and openapi.yaml that describe a snapshot, from wire/snapshot_message.py."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import yaml

from liqstream.wire.snapshot_message import GRID, IDENTITY, OF_BASE, STATE, TOTALS, Level, SnapshotMessage

_TIMESTAMP = {"description": "time of the data in UTC", "type": "string", "pattern": "Z$"}
"""`SnapshotMessage.timestamp` is made from `timestamp_ms`, so the struct has no schema of it."""

_BEGIN, _END = "    # snapshot: made by `make docs`\n", "    # /snapshot\n"


def snapshot_schemas() -> dict[str, dict[str, Any]]:
    """The schemas of the parts of a snapshot message, by name."""
    _, components = msgspec.json.schema_components([SnapshotMessage, Level])
    fields = components["SnapshotMessage"]["properties"] | {"timestamp": _TIMESTAMP}
    return {
        "identity": _object({name: fields[name] for name in IDENTITY}),
        "state": _object({name: fields[name] for name in STATE}),
        "of_base": _object({name: fields[name] for name in OF_BASE}),
        "totals": _object({name: fields[name] for name in TOTALS}),
        "grid": _object({name: fields[name] for name in GRID}),
        "level": _object(components["Level"]["properties"]),
        "checksum": fields["checksum"],
    }


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties}


def with_snapshot_schemas(text: str) -> str:
    """`text` of a YAML file with the schemas between its marks. Raises LookupError without marks."""
    lines: list[str] = []
    for name, schema in snapshot_schemas().items():
        if "properties" not in schema:
            lines.append(f"    {name}: {_flow(schema)}")
            continue
        lines += [f"    {name}:", "      type: object", f"      required: {_flow(schema['required'])}"]
        lines.append("      properties:")
        lines += [f"        {field}: {_flow(each)}" for field, each in schema["properties"].items()]
    made = "\n".join(lines)
    text, count = re.subn(f"{_BEGIN}.*?{_END}", lambda _: f"{_BEGIN}{made}\n{_END}", text, flags=re.DOTALL)
    if count != 1:
        raise LookupError(f"{count} places for the snapshot's schemas instead of one")
    return text


def _flow(value: Any) -> str:
    return yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000).strip()
