# SPDX-License-Identifier: Apache-2.0
# Several processes convert one model: by number, by each job manager's variables, by MPI. The
# bytes are always those of one process.
. "$CLI/expect.sh"
checkpoints sound-shards
unset OMPI_COMM_WORLD_RANK PMI_RANK SLURM_PROCID SLURM_ARRAY_TASK_ID JOB_COMPLETION_INDEX
convert() { int8tool convert sound-shards --max-shard-size 20KB "$@"; }
accepts "*" convert -o reference

same() { diff -r reference "$1" || fail "$1: other bytes than one process makes"; }

# One thread has to come back to the hashes once all is read.
accepts "*" convert -o out --jobs 1
same out

# Counted from 0 or from 1, in any order; finished twice is finished.
for ranks in "0 1 2" "3 1 2"; do
    rm -rf out
    for rank in $ranks; do
        accepts "*" convert -o out --ranks "$rank/3"
    done
    same out
done
answers convert 0 convert -o out --ranks 1/3 --json
[ "$(json out.json 'd["complete"], d["rank"], d["ranks"], d["left_bytes"]')" = "(True, 1, 3, 0)" ] ||
    fail "not complete: $(cat out.json)"
same out

# Until all parts are done nothing has a final name, and what is left is said.
rm -rf out
accepts "*rank 0 of 2: its * are left to other ranks*" convert -o out --ranks 0/2
nothing_final out
answers convert 0 convert -o out --ranks 0/2 --json
[ "$(json out.json 'd["complete"], d["left_bytes"] > 0')" = "(False, True)" ] ||
    fail "complete too early: $(cat out.json)"
accepts "*" convert -o out --ranks 1/2
same out

# by NAME=VALUE... : the rank that these variables give, RANK of COUNT.
by() {
    _expect=$1
    shift
    rm -rf out
    env "$@" int8tool convert sound-shards --max-shard-size 20KB -o out --ranks env --json \
        >out.json 2>err.txt || fail "$*: $(cat err.txt)"
    [ "$(json out.json 'str(d["rank"]) + "/" + str(d["ranks"])')" = "$_expect" ] ||
        fail "$*: not $_expect"
}
by 1/4 OMPI_COMM_WORLD_RANK=1 OMPI_COMM_WORLD_SIZE=4 SLURM_PROCID=0 SLURM_NTASKS=1
by 2/3 PMI_RANK=2 PMI_SIZE=3
by 3/8 SLURM_PROCID=3 SLURM_NTASKS=8
by 2/5 SLURM_ARRAY_TASK_ID=5 SLURM_ARRAY_TASK_COUNT=5 SLURM_ARRAY_TASK_MIN=3 SLURM_PROCID=0
by 5/6 SLURM_ARRAY_TASK_ID=30 SLURM_ARRAY_TASK_COUNT=3 SLURM_ARRAY_TASK_MIN=10 \
    SLURM_ARRAY_TASK_STEP=10 SLURM_PROCID=1 SLURM_NTASKS=2
by 0/7 JOB_COMPLETION_INDEX=0 JOB_COMPLETIONS=7

refuses 2 "--ranks env: none of *" convert -o out --ranks env
refuses 2 "--ranks env: none of *" env JOB_COMPLETION_INDEX=1 \
    int8tool convert sound-shards -o out --ranks env
refuses 2 "--ranks env: PMI_RANK=one: *" env PMI_RANK=one PMI_SIZE=2 \
    int8tool convert sound-shards -o out --ranks env
refuses 2 "--ranks env: rank 2 of 2: *" env PMI_RANK=2 PMI_SIZE=2 \
    int8tool convert sound-shards -o out --ranks env
refuses 2 "--ranks env: SLURM_ARRAY_TASK_ID=9: *" env SLURM_ARRAY_TASK_ID=9 \
    SLURM_ARRAY_TASK_COUNT=3 SLURM_ARRAY_TASK_MIN=1 SLURM_ARRAY_TASK_STEP=1 \
    int8tool convert sound-shards -o out --ranks env
for word in 4/3 1 1/0 /2 1/ -1/2 1/2/3 0x1/2 99999999999/2 0/100000 some; do
    refuses 2 "--ranks $word: expected env, mpi, or I/N*" convert -o out --ranks "$word"
done

# Other options than the other ranks'; a foreign file.
rm -rf out
accepts "*" convert -o out --ranks 0/2
refuses 1 "*other options*" convert -o out --ranks 1/2 --rounding cpu
mkdir foreign
echo mine >foreign/notes.txt
refuses 1 "foreign: not empty, holds 'notes.txt'" convert -o foreign --ranks 1/2
