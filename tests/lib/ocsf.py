"""Holds objects to the classes of OCSF 1.8.0 that exports use: every attribute is known and of its type, what is
required is there, numbers are of their enumeration, of some attributes one is there."""
import json
import pathlib

SCHEMA = json.loads((pathlib.Path(__file__).parent / "ocsf-1.8.0.json").read_text())
PLAIN = {"string_t": str, "integer_t": int, "long_t": int, "timestamp_t": int, "boolean_t": bool, "port_t": int,
         "username_t": str, "hostname_t": str, "ip_t": str, "process_name_t": str, "file_path_t": str, "json_t": object}


def fits(value, attribute, where):
    if attribute.get("is_array"):
        if not isinstance(value, list):
            yield f"{where} is no array"
            return
        for v in value:
            yield from fits(v, {**attribute, "is_array": False}, where)
        return
    kind = attribute["type"]
    if kind in SCHEMA["objects"]:
        yield from check(value, SCHEMA["objects"][kind], where)
    elif kind in PLAIN and not isinstance(value, PLAIN[kind]):
        yield f"{where} is no {kind}: {value!r}"
    if "enum" in attribute and not where.endswith(("category_uid", "class_uid")) and value not in attribute["enum"]:
        yield f"{where} is none of {attribute['enum']}: {value!r}"


def check(value, schema, where):
    if not isinstance(value, dict):
        yield f"{where} is no object"
        return
    for name, attribute in schema["attributes"].items():
        if attribute.get("required") and name not in value:
            yield f"{where}.{name} is missing"
    one_of = schema.get("at_least_one")
    if one_of and not set(one_of) & set(value):
        yield f"{where} has none of {one_of}"
    for name, v in value.items():
        if name not in schema["attributes"]:
            yield f"{where}.{name} is unknown"
        else:
            yield from fits(v, schema["attributes"][name], f"{where}.{name}")


def errors(event):
    schema = SCHEMA["classes"].get(str(event.get("class_uid")))
    if not schema:
        return [f"class {event.get('class_uid')}"]
    found = list(check(event, schema, "event"))
    if event["type_uid"] != event["class_uid"] * 100 + event["activity_id"] or event["category_uid"] != event["class_uid"] // 1000:
        found.append("type_uid or category_uid does not follow")
    return found
