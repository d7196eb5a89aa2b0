# SPDX-License-Identifier: Apache-2.0
# --ranks mpi: the same bytes from any number of ranks; one that fails stops all; a program
# without MPI says so.
. "$CLI/expect.sh"
checkpoints sound-shards weight-nan
if int8tool convert sound-shards -o out --ranks mpi 2>err.txt; then
    rm -rf out
else
    [ "$(cat err.txt)" = "int8tool: error: --ranks mpi: this int8tool was built without MPI \
(configure --with-mpi); --ranks env needs none" ] || fail "$(cat err.txt)"
    exit 0
fi
command -v mpirun >/dev/null || skip "mpirun is not installed"
# As root and on fewer processors than ranks mpirun wants to be asked twice.
OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
OMPI_MCA_rmaps_base_oversubscribe=1
export OMPI_ALLOW_RUN_AS_ROOT OMPI_ALLOW_RUN_AS_ROOT_CONFIRM OMPI_MCA_rmaps_base_oversubscribe
mpirun -n 2 true 2>/dev/null || skip "mpirun does not start processes here"

accepts "*" int8tool convert sound-shards -o reference --max-shard-size 20KB
for n in 1 2 5; do
    # One voice: a JSON document on stdout, however many ranks.
    answers convert 0 mpirun -n $n int8tool convert sound-shards -o "out$n" \
        --max-shard-size 20KB --ranks mpi --json
    diff -r reference "out$n" || fail "other bytes from $n ranks"
done
accepts "*" mpirun -n 2 int8tool convert sound-shards -o out2 --max-shard-size 20KB --ranks mpi
diff -r reference out2 || fail "other bytes after a second run"

# Compressed, where this build can.
if int8tool convert sound-shards -o packed --max-shard-size 20KB --compress zstd -q 2>err.txt; then
    for n in 2 5; do
        accepts "*" mpirun -n $n int8tool convert sound-shards -o "packed$n" \
            --max-shard-size 20KB --compress zstd --ranks mpi
        diff -r packed "packed$n" || fail "other compressed bytes from $n ranks"
    done
fi

# The rank that meets the NaN says so, the others that they stopped; nothing stays.
got=0
mpirun -n 3 int8tool convert weight-nan -o out-nan --ranks mpi >out.txt 2>err.txt || got=$?
[ $got -eq 1 ] || fail "a NaN: exit $got, $(cat err.txt)"
grep -q "^int8tool: error: .*NaN" err.txt || fail "a NaN is not named: $(cat err.txt)"
[ "$(grep -c "^int8tool: error: .*another rank failed" err.txt)" -eq 2 ] ||
    fail "the other ranks do not say why they stopped: $(cat err.txt)"
[ ! -e out-nan ] || fail "left: $(find out-nan)"
