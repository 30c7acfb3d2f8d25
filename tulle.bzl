"""The rules that every package uses: the warnings that Tulle's own code must be free of, and nothing else."""

COPTS = ["-Wall", "-Wextra", "-Werror", "-Wnon-virtual-dtor", "-Wold-style-cast", "-Wshadow", "-Wno-sign-compare"]

def tulle_cc_library(name, copts = [], **kwargs):
    # No shared object beside the archive: nothing is compiled twice.
    native.cc_library(name = name, copts = COPTS + copts, linkstatic = True, **kwargs)

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
