# SPDX-License-Identifier: Apache-2.0
# A pull into the cache: what lies there afterwards, what a second one fetches, and caches
# that cannot hold links, are read-only, shared by a group, or damaged.
. "$CLI/expect.sh"
need_python
HUB=$CLI/../hub
. "$HUB/hub.sh"
mkdir -p root/org/name/sub
printf '{"a": 1}\n' >root/org/name/config.json
head -c 3000000 /dev/zero | tr '\0' x >root/org/name/model.safetensors
cp root/org/name/model.safetensors root/org/name/sub/same.safetensors
: >root/org/name/empty.txt
start_hub root
case $(int8tool pull org/nowhere 2>&1) in
*"no network"*) skip "this build has no libcurl" ;;
esac
hub=$HF_HOME/hub
folder=$hub/models--org--name
lfs=$(sha256sum <root/org/name/model.safetensors | cut -d' ' -f1)

# as it is meant
umask 0027
accepts "*note: org/name is at commit *: 4 files, *fetched 4 files*" int8tool pull org/name
snapshot=$(cat out.txt)
commit=${snapshot##*/}
[ "$snapshot" = "$folder/snapshots/$commit" ] || fail "$snapshot"
[ "$(cat "$folder/refs/main")" = "$commit" ] && [ "$(wc -c <"$folder/refs/main")" = 40 ] ||
    fail "refs/main"
diff -r root/org/name "$snapshot" || fail "other bytes"
[ "$(readlink "$snapshot/sub/same.safetensors")" = "../../../blobs/$lfs" ] || fail "link"
[ "$(ls "$folder/blobs" | wc -l)" = 3 ] || fail "blobs: $(ls "$folder/blobs")"
[ "$(stat -c %a "$folder/blobs/$lfs" "$folder/refs/main" "$folder/trees/$commit.json" \
    "$folder/blobs" "$hub/.locks/models--org--name/$lfs.lock" | tr '\n' ' ')" = \
    "640 640 640 750 664 " ] || fail "modes: $(stat -c '%a %n' "$folder"/*/*)"
[ -f "$hub/CACHEDIR.TAG" ] || fail "no tag"
[ "$(requests 'sum(x["sent"] for x in r if x["file"] and x["file"].endswith("safetensors"))')" = 3000000 ] ||
    fail "the same content came twice"
"$python" -c 'import json, sys
t = json.load(open(sys.argv[1]))
assert t["format_version"] == 1 and list(t["files"]) == sorted(t["files"])
assert t["files"]["model.safetensors"]["lfs_sha256"] == sys.argv[2]
assert t["files"]["config.json"]["size"] == 9' "$folder/trees/$commit.json" "$lfs" || fail "trees"
umask 0022

# again: one request, nothing fetched
forget_requests
answers pull 0 int8tool pull --json org/name
[ "$(json out.json 'd["downloaded_bytes"], {f["from"] for f in d["files"]}')" = "(0, {'cache'})" ] ||
    fail "$(cat out.json)"
[ "$(requests '[x["on"] for x in r]')" = "['info']" ] || fail "$(requests r)"
forget_requests
accepts "" int8tool pull -q "org/name@$commit"
[ "$(requests 'len(r)')" = 0 ] || fail "a commit that is there was asked for"

# some of it
accepts "*warning: *'none.json'*" int8tool pull org/name --include none.json --include 'c*'
[ -f "$folder/.no_exist/$commit/none.json" ] || fail "no mark"
refuses 1 "*none of its 4 files*" int8tool pull -q org/name --include '*.gguf'

# a damaged blob is found and fetched again
printf y | dd of="$folder/blobs/$lfs" bs=1 seek=7 conv=notrunc 2>/dev/null
accepts "" int8tool pull -q org/name
accepts "*warning: *damaged*" int8tool pull --verify org/name
diff -r root/org/name "$snapshot" || fail "not mended"
# one of the wrong size is seen without hashing
printf y >>"$folder/blobs/$lfs"
accepts "" int8tool pull -q org/name
diff -r root/org/name "$snapshot" || fail "not mended"

# the branch moves on: the ref follows, the old snapshot stays
printf '{"a": 2}\n' >root/org/name/config.json
forget_requests
accepts "" int8tool pull -q org/name
[ "$(cat out.txt)" != "$snapshot" ] && [ -f "$snapshot/config.json" ] || fail "moved"
[ "$(requests 'len([x for x in r if x["on"] == "cdn"])')" = 0 ] || fail "known content was fetched"

# read-only, and complete
if [ "$(id -u)" != 0 ]; then
    chmod -R a-w "$hub"
    accepts "" int8tool pull -q org/name
    printf '{"a": 3}\n' >root/org/name/config.json
    refuses 1 "*$hub*" int8tool pull -q org/name
    chmod -R u+w "$hub"
fi

# no links
HF_HUB_DISABLE_SYMLINKS=1
export HF_HUB_DISABLE_SYMLINKS
accepts "" int8tool pull -q org/name --cache-dir flat
flat=$(cat out.txt)
[ -z "$(find flat -type l)" ] || fail "links: $(find flat -type l)"
diff -r root/org/name "$flat" || fail "other bytes"
forget_requests
accepts "" int8tool pull -q org/name --cache-dir flat
[ "$(requests 'len(r)')" = 1 ] || fail "fetched again: $(requests r)"
printf y | dd of="$flat/model.safetensors" bs=1 seek=7 conv=notrunc 2>/dev/null
accepts "*" int8tool pull --verify org/name --cache-dir flat
diff -r root/org/name "$flat" || fail "not mended"
unset HF_HUB_DISABLE_SYMLINKS

# what a dead run left
: >"$folder/blobs/0123456789abcdef.int8tmp"
: >"$folder/blobs/$commit.int8part"
: >"$folder/blobs/$commit.int8part.journal"
touch -d '3 days ago' "$folder/blobs/$commit.int8part" "$folder/blobs/$commit.int8part.journal"
rm "$folder/blobs/$lfs"
accepts "" int8tool pull -q org/name
[ -z "$(find "$hub" -name '*.int8*')" ] || fail "left over: $(find "$hub" -name '*.int8*')"
