"""The rules that every package uses: the warnings that Tulle's own code must be free of, and nothing else."""

COPTS = ["-Wall", "-Wextra", "-Werror", "-Wnon-virtual-dtor", "-Wold-style-cast", "-Wshadow", "-Wno-sign-compare"]

# Sources per compile unit. Headers take most of the time that a source takes to compile, so that a unit of eight takes little longer than one source.
UNIT = 8

def _units(name, srcs):
    """Generated sources that include those of srcs, UNIT each."""
    package = native.package_name()
    units = []
    for first in range(0, len(srcs), UNIT):
        unit = "%s_unit_%d.cc" % (name, first // UNIT + 1)
        lines = ["#include \\\"%s/%s\\\"" % (package, src) for src in srcs[first:first + UNIT]]
        native.genrule(
            name = unit[:-len(".cc")],
            outs = [unit],
            cmd = "printf '%s\\n' " + " ".join(["\"%s\"" % line for line in lines]) + " > $@",
        )
        units.append(unit)
    return units

def tulle_cc_library(name, srcs = [], copts = [], textual_hdrs = [], alone = [], **kwargs):
    """A library whose sources are compiled several at a time, which also lets the compiler inline from one into another.

    With --define=units=off each is compiled alone, which shows includes that are missing.

    Args:
      name: the target.
      srcs: sources. What they declare in one namespace has different names, also what no header declares.
      copts: further options of the compiler.
      textual_hdrs: as of cc_library.
      alone: sources that are not compiled together with others, since headers that they include do not go together.
      **kwargs: as of cc_library.
    """
    together = [src for src in srcs if src.endswith(".cc") and src not in alone]
    rest = [src for src in srcs if src not in together]
    if len(together) > 1:
        srcs = select({"//:units_off": srcs, "//conditions:default": rest + _units(name, together)})
        textual_hdrs = textual_hdrs + select({"//:units_off": [], "//conditions:default": together})

    # No shared object beside the archive: nothing is compiled twice.
    native.cc_library(
        name = name,
        srcs = srcs,
        textual_hdrs = textual_hdrs,
        copts = COPTS + copts,
        linkstatic = True,
        **kwargs
    )

def tulle_cc_binary(name, copts = [], **kwargs):
    native.cc_binary(name = name, copts = COPTS + copts, **kwargs)

def tulle_cc_test(name, deps = [], copts = [], size = "medium", **kwargs):
    native.cc_test(name = name, copts = COPTS + copts, deps = deps + ["@system//:gtest_main"], size = size, linkstatic = True, **kwargs)

def tulle_cc_fuzz(name, srcs, deps, corpus):
    """A fuzz target. Built with --config=fuzz it is a libFuzzer binary (NAME); NAME_corpus_test runs the corpus in every build.

    Args:
      name: the target; srcs define LLVMFuzzerTestOneInput.
      srcs: sources.
      deps: libraries.
      corpus: a glob or filegroup of inputs, one a file.
    """
    native.cc_binary(
        name = name,
        srcs = srcs,
        copts = COPTS,
        deps = deps,
        linkopts = ["-fsanitize=fuzzer"],
        tags = ["manual"],
        testonly = True,
    )
    native.cc_test(
        name = name + "_corpus_test",
        srcs = srcs,
        copts = COPTS,
        deps = deps + ["//tests/fuzz:replay_main"],
        data = corpus,
        args = ["$(locations %s)" % c for c in corpus],
        size = "small",
        linkstatic = True,
        tags = ["corpus"],
    )
