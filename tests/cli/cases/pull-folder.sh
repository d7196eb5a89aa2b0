# SPDX-License-Identifier: Apache-2.0
# --local-dir: the files under their own names, with Python's metadata beside them.
. "$CLI/expect.sh"
need_python
HUB=$CLI/../hub
. "$HUB/hub.sh"
mkdir -p root/org/name/sub
printf '{"a": 1}\n' >root/org/name/config.json
head -c 2000000 /dev/zero | tr '\0' x >root/org/name/sub/model.safetensors
start_hub root
case $(int8tool pull org/nowhere 2>&1) in
*"no network"*) skip "this build has no libcurl" ;;
esac

accepts "*fetched 2 files*" int8tool pull org/name --local-dir here
[ "$(cat out.txt)" = "$PWD/here" ] || fail "$(cat out.txt)"
diff -r -x .cache root/org/name here || fail "other bytes"
meta=here/.cache/huggingface
[ "$(cat $meta/.gitignore)" = '*' ] && [ -f $meta/CACHEDIR.TAG ] || fail "folder"
commit=$(sed -n 1p $meta/download/sub/model.safetensors.metadata)
[ -f "$meta/trees/$commit.json" ] || fail "no listing"
[ "$(sed -n 2p $meta/download/sub/model.safetensors.metadata)" = \
    "$(sha256sum <here/sub/model.safetensors | cut -d' ' -f1)" ] || fail "hash"
[ -z "$(find here -name '*.int8*')" ] || fail "left over"
[ ! -e "$HF_HOME/hub/models--org--name" ] || fail "the cache was written, too"

# again, offline too; a changed file is seen, an unchanged one without metadata is hashed
forget_requests
accepts "*all there already*" int8tool pull org/name --local-dir here
accepts "" int8tool pull -q org/name --local-dir here --offline
rm $meta/download/sub/model.safetensors.metadata
accepts "" int8tool pull -q org/name --local-dir here
[ -f $meta/download/sub/model.safetensors.metadata ] || fail "metadata not written anew"
[ "$(requests 'len([x for x in r if x["on"] != "info"])')" = 0 ] || fail "fetched again"
sleep 1.1
printf '{"b": 1}\n' >here/config.json
accepts "*fetched 1 file,*" int8tool pull org/name --local-dir here
cmp root/org/name/config.json here/config.json || fail "the changed file stayed"
printf y | dd of=here/sub/model.safetensors bs=1 seek=7 conv=notrunc 2>/dev/null
touch -d '1 hour ago' here/sub/model.safetensors
accepts "" int8tool pull -q org/name --local-dir here
accepts "*damaged*" int8tool pull --verify org/name --local-dir here
diff -r -x .cache root/org/name here || fail "not mended"

# what the cache has is copied, not fetched
accepts "" int8tool pull -q org/name
forget_requests
accepts "" int8tool pull -q org/name --local-dir there
[ "$(requests 'len([x for x in r if x["on"] not in ("info", "tree")])')" = 0 ] || fail "fetched"
diff -r -x .cache root/org/name there || fail "other bytes"
[ -z "$(find there -type l)" ] || fail "links"

# a file where a folder must be, and the other way round
mkdir -p odd/config.json
refuses 1 "*odd/config.json*" int8tool pull -q org/name --local-dir odd
: >file
refuses 1 "*file*" int8tool pull -q org/name --local-dir file
# a name in the repository must not write our own notes
mkdir -p root/org/name/.cache/huggingface/download
: >root/org/name/.cache/huggingface/download/config.json.metadata
refuses 1 "*.cache/huggingface/*" int8tool pull -q org/name --local-dir evil
