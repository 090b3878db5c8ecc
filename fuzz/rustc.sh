#!/bin/sh
# What stands between cargo and the compiler for Chasqui's own crates while they are built to be fuzzed (`cargo xtask
# fuzz`): lets the fuzzer see which branches an input took, and what it was compared with. In one unit of code, or the
# linker drops tables; without a sanitizer, since there is no unsafe code to watch.
exec "$@" \
    -Copt-level=1 \
    -Ccodegen-units=1 \
    -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares
