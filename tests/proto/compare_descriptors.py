"""Compares a descriptor set of ours with the classes of the package envoy-data-plane.

Runs inside the environment that descriptors_test.py makes: compare_descriptors.py DESCRIPTOR_SET. Prints one line a difference.
"""

import dataclasses
import importlib
import pathlib
import re
import sys

import betterproto2
import envoy_data_plane
from envoy_data_plane.message_pool import default_message_pool
from google.protobuf import descriptor_pb2

TYPES = {number: name[len("TYPE_"):].lower() for name, number in descriptor_pb2.FieldDescriptorProto.Type.items()}
WELL_KNOWN = "google.protobuf."
# Envoy's, but not in that package.
CONTRIB = ("envoy.extensions.load_balancing_policies.peak_ewma.v3alpha",)
# Google's, which Envoy does not use: collectors send it.
NOT_ENVOYS = ("google.rpc.RetryInfo",)


def load_theirs():
    root = pathlib.Path(envoy_data_plane.__path__[0])
    for top in ("envoy", "google/rpc"):
        for init in sorted((root / top).rglob("__init__.py")):
            importlib.import_module(".".join(["envoy_data_plane", *init.parent.relative_to(root).parts]))
    return {url.rsplit("/", 1)[1]: cls for url, cls in default_message_pool.url_to_type.items()}


def plain(name):
    """Names as that package writes them: snake case of Python, keywords with an underscore."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def flat(full_name):
    """pkg.v3.Outer.Inner and pkg.v3.OuterInner are the same to that package."""
    parts = full_name.split(".")
    first = next(i for i, part in enumerate(parts) if part[0].isupper())
    return (".".join(parts[:first]), "".join(parts[first:]).lower())


def messages_of(file_or_message, prefix):
    nested = file_or_message.message_type if hasattr(file_or_message, "message_type") else file_or_message.nested_type
    for message in nested:
        if message.options.map_entry:
            continue
        yield f"{prefix}.{message.name}", message
        yield from messages_of(message, f"{prefix}.{message.name}")


def enums_of(file, prefix):
    for enum in file.enum_type:
        yield f"{prefix}.{enum.name}", enum
    for name, message in messages_of(file, prefix):
        for enum in message.enum_type:
            yield f"{name}.{enum.name}", enum


def compare_field(full, ours, message, theirs):
    where = f"{full}.{ours.name}"
    match = [f for f in dataclasses.fields(theirs) if betterproto2.FieldMetadata.get(f).number == ours.number]
    if not match:
        return [f"{where}: number {ours.number} is not known to Envoy"]
    field = match[0]
    meta = betterproto2.FieldMetadata.get(field)
    found = []
    if plain(field.name) != plain(ours.name):
        found.append(f"{where}: number {ours.number} is called {field.name}")
    entry = next((n for n in message.nested_type if n.options.map_entry and ours.type_name.endswith("." + n.name)), None)
    kind = "map" if entry is not None else TYPES[ours.type]
    if str(meta.proto_type).lower().replace("type_", "") != kind:
        found.append(f"{where}: type {kind}, Envoy's is {meta.proto_type}")
    if entry is None and (ours.label == ours.LABEL_REPEATED) != bool(getattr(meta, "repeated", False)):
        found.append(f"{where}: repeated differs")
    group = message.oneof_decl[ours.oneof_index].name if ours.HasField("oneof_index") else None
    if plain(group or "") != plain(meta.group or ""):
        found.append(f"{where}: oneof {group}, Envoy's is {meta.group}")
    if kind in ("message", "enum") and not ours.type_name.startswith("." + WELL_KNOWN):
        annotation = str(field.type)
        wanted = ours.type_name.split(".")
        name = "".join(part for part in wanted if part and part[0].isupper()).lower()
        if not re.search(r"(^|[^a-z0-9_])%s($|[^a-z0-9_])" % re.escape(name), annotation.lower()):
            found.append(f"{where}: of {ours.type_name}, Envoy's is {annotation}")
    return found


def enum_classes():
    found = {}
    for name, module in list(sys.modules.items()):
        if name.startswith("envoy_data_plane.") and module is not None:
            for attribute in vars(module).values():
                if isinstance(attribute, type) and issubclass(attribute, betterproto2.Enum):
                    package = attribute.__module__[len("envoy_data_plane."):]
                    found[(package, attribute.__name__.lower())] = attribute
    return found


def compare_enum(full, ours, theirs):
    found = []
    by_number = {member.value: member for member in theirs}
    for value in ours.value:
        member = by_number.get(value.number)
        if member is None:
            found.append(f"{full}.{value.name}: {value.number} is not known to Envoy")
        elif not plain(value.name).endswith(plain(member.name)):
            found.append(f"{full}.{value.name}: {value.number} is called {member.name}")
    return found


def main():
    with open(sys.argv[1], "rb") as stream:
        ours = descriptor_pb2.FileDescriptorSet.FromString(stream.read())
    theirs = {flat(name): cls for name, cls in load_theirs().items()}
    enums = enum_classes()
    compared, found = 0, []
    for file in ours.file:
        if not file.package.startswith(("envoy.", "google.rpc")):
            continue
        for full, message in messages_of(file, file.package):
            other = theirs.get(flat(full))
            if other is None and (file.package in CONTRIB or full in NOT_ENVOYS):
                continue
            if other is None:
                found.append(f"{full}: no such message in Envoy")
                continue
            compared += 1
            for field in message.field:
                found += compare_field(full, field, message, other)
        for full, enum in enums_of(file, file.package):
            other = enums.get(flat(full))
            if other is None:
                found.append(f"{full}: no such enum in Envoy")
                continue
            compared += 1
            found += compare_enum(full, enum, other)
    for line in found:
        print(line)
    print(f"compared {compared} types, {len(found)} differences", file=sys.stderr)
    return 1 if found or compared == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
