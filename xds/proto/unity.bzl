"""C++ for many small .proto files in few compile units: protoc once, then a handful of sources that include the generated ones."""

# Names that protoc gives to a static of each file.
_FILE_STATICS = ["schemas", "file_default_instances"]

def _unit_text(unit):
    lines = ['#include "%s"' % p.replace(".proto", ".pb.h") for p in unit]
    for i, p in enumerate(unit):
        lines += ["#define %s %s_%d" % (s, s, i) for s in _FILE_STATICS]
        lines.append('#include "%s"' % p.replace(".proto", ".pb.cc"))
        lines += ["#undef %s" % s for s in _FILE_STATICS]
    return "".join([line + "\\n" for line in lines])

def proto_unity_library(name, protos, units, visibility):
    """A cc_library of every message in protos; descriptors are linked even where no code names them.

    Args:
      name: the library.
      protos: .proto files, their paths relative to this package being their import paths.
      units: a list of lists of protos: one compile unit each; together they name each proto once.
      visibility: as in cc_library.
    """
    listed = [p for unit in units for p in unit]
    if sorted(listed) != sorted(protos):
        fail("%s: units and protos differ: %s" % (name, [p for p in protos if p not in listed] + [p for p in listed if p not in protos]))
    headers = [p.replace(".proto", ".pb.h") for p in protos]
    sources = [p.replace(".proto", ".pb.cc") for p in protos]
    native.genrule(
        name = name + "_protoc",
        srcs = protos,
        outs = headers + sources,
        tools = ["@com_google_protobuf//:protoc"],
        cmd = "$(location @com_google_protobuf//:protoc) -I%s -I/usr/include --cpp_out=$(RULEDIR) $(SRCS)" % native.package_name(),
    )
    unit_names = ["%s_unit_%d.cc" % (name, i) for i in range(len(units))]
    native.genrule(
        name = name + "_units",
        outs = unit_names,
        cmd = "; ".join([
            "printf '%s' > $(RULEDIR)/%s" % (_unit_text(unit), unit_name)
            for unit, unit_name in zip(units, unit_names)
        ]),
    )
    native.cc_library(
        name = name,
        srcs = unit_names,
        hdrs = headers,
        textual_hdrs = sources,
        includes = ["."],
        copts = ["-w"],
        alwayslink = True,
        linkstatic = True,
        deps = ["@com_google_protobuf//:protobuf"],
        visibility = visibility,
    )
