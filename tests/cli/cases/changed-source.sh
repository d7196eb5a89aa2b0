# SPDX-License-Identifier: Apache-2.0
# A source that changed between an interrupted conversion and the next: by its time, its size, or
# its header alone. It is refused in one line, the unfinished work stays as it was, the source
# put back is gone on with, and --force begins anew.
. "$CLI/expect.sh"
[ -f "${I8_FAULT_LIBRARY:-}" ] || skip "the fault library is not built"

# interrupted SOURCE: leaves ./out unfinished, with some shards' bytes in place.
interrupted() {
    rm -rf out
    LD_PRELOAD=$I8_FAULT_LIBRARY I8_FAULT_DIR=$PWD/out I8_FAULT_AT=40 I8_FAULT_WHAT=SIGKILL \
        int8tool convert "$1" -o out --max-shard-size 20KB >/dev/null 2>&1 && return 1
    [ -f out/int8tool.journal ]
}

# change SOURCE HOW
change() {
    "$python" - "$1" "$2" <<'END'
import os, sys
folder, how = sys.argv[1:]
name = sorted(n for n in os.listdir(folder) if n.endswith((".safetensors", ".bin")))[0]
path = os.path.join(folder, name)
times = os.stat(path)
data = open(path, "rb").read()
times = (times.st_atime_ns, times.st_mtime_ns)
if how == "time":
    times = (times[0], times[1] + 1)
elif how == "size":
    header = int.from_bytes(data[:8], "little")
    data = (header + 8).to_bytes(8, "little") + data[8:8 + header] + b" " * 8 + data[8 + header:]
    open(path, "wb").write(data)
elif how == "header":  # two tensors of one shape change places: same size, same time
    a, b = b"self_attn.k_proj.weight", b"self_attn.v_proj.weight"
    assert a in data and b in data
    data = data.replace(a, b"self_attn.x_proj.weight").replace(b, a).replace(
        b"self_attn.x_proj.weight", b)
    open(path, "wb").write(data)
os.utime(path, ns=times)
END
}

checkpoints sound-shards
accepts "*" int8tool convert sound-shards -o reference --max-shard-size 20KB
cp -rp sound-shards original
interrupted sound-shards || skip "preloading does not work here"
for how in time size header; do
    rm -rf sound-shards
    cp -rp original sound-shards
    interrupted sound-shards || fail "was not interrupted"
    cp -r out before
    change sound-shards $how
    refuses 1 "*out*source has changed*" \
        int8tool convert sound-shards -o out --max-shard-size 20KB
    diff -r before out || fail "$how: the unfinished work was touched"
    rm -rf before sound-shards
    cp -rp original sound-shards
    accepts "*" int8tool convert sound-shards -o out --max-shard-size 20KB
    diff -r reference out || fail "$how: other bytes after the source was put back"

    interrupted sound-shards || fail "was not interrupted"
    change sound-shards $how
    accepts "*" int8tool convert sound-shards -o out --max-shard-size 20KB --force
    [ -f out/int8tool.json ] && [ ! -f out/int8tool.journal ] || fail "--force did not finish"
done

# A shard that was cut short meanwhile is no source at all.
rm -rf sound-shards
cp -rp original sound-shards
interrupted sound-shards || fail "was not interrupted"
shard=$(ls sound-shards/*.safetensors | tail -n 1)
head -c $(($(wc -c <"$shard") - 9)) "$shard" >short
mv short "$shard"
refuses 1 "*$(basename "$shard")*" int8tool convert sound-shards -o out --max-shard-size 20KB
rm -rf sound-shards
cp -rp original sound-shards
accepts "*" int8tool convert sound-shards -o out --max-shard-size 20KB
diff -r reference out || fail "other bytes after the shard was whole again"
