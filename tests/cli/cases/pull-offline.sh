# SPDX-License-Identifier: Apache-2.0
# Without the Hub: a cache as Python's client leaves it is used as it is, and what is
# missing or damaged is named.
. "$CLI/expect.sh"
unset HF_HUB_CACHE HUGGINGFACE_HUB_CACHE HF_HUB_OFFLINE HF_TOKEN
HF_HOME=$PWD/home HF_ENDPOINT=http://127.0.0.1:9
export HF_HOME HF_ENDPOINT
commit=0123456789abcdef0123456789abcdef01234567
repo=home/hub/models--org--name
hello=ce013625030ba8dba906f756967f9e9ca394464a # git's hash of "hello\n"
sha256=5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03

refuses 1 "org/name@main: *home/hub*offline*" int8tool pull org/name --offline
[ ! -e home ] || fail "offline, with nothing there, made a folder"

# blobs, snapshots and refs: all that older clients write
mkdir -p $repo/blobs $repo/refs $repo/snapshots/$commit/sub
printf 'hello\n' >$repo/blobs/$hello
printf 'hello\n' >$repo/blobs/$sha256
ln -s ../../blobs/$hello $repo/snapshots/$commit/config.json
ln -s ../../../blobs/$sha256 $repo/snapshots/$commit/sub/model.safetensors
printf %s $commit >$repo/refs/main
find home | sort >before
for how in --offline HF_HUB_OFFLINE=1 TRANSFORMERS_OFFLINE=Yes $commit; do
    case $how in
    --offline) accepts "*note: org/name*" int8tool pull org/name --offline ;;
    *=*) accepts "*" env $how int8tool pull org/name ;;
    *) accepts "*" int8tool pull org/name@$commit --offline ;;
    esac
    [ "$(cat out.txt)" = "$PWD/$repo/snapshots/$commit" ] || fail "$how: $(cat out.txt)"
done
find home | sort | cmp - before || fail "offline, the cache changed"
accepts "*" int8tool pull -q org/name --offline --json
[ "$(json out.txt '[(f["name"], f["bytes"], f["sha256"], f["from"]) for f in d["files"]]')" = \
    "[('config.json', 6, '$sha256', 'cache'), ('sub/model.safetensors', 6, '$sha256', 'cache')]" ] ||
    fail "$(cat out.txt)"
[ "$(json out.txt '(d["commit"], d["downloaded_bytes"])')" = "('$commit', 0)" ] || fail "json"

# what is not there
refuses 1 "org/name@v2: *refs/v2*" int8tool pull org/name@v2 --offline
refuses 1 "*org/name@main*--include*" int8tool pull -q org/name --offline --include '*.bin'
mkdir $repo/trees
cat >$repo/trees/$commit.json <<END
{"format_version": 1, "files": {"config.json": {"size": 6, "blob_id": "$hello"},
 "sub/model.safetensors": {"size": 6, "blob_id": "$hello", "lfs_sha256": "$sha256", "lfs_size": 6},
 "tokenizer.json": {"size": 9, "blob_id": "$commit"}}}
END
refuses 1 "org/name@main: 1 of 3 files missing*(tokenizer.json)*" \
    int8tool pull org/name --offline
accepts "" int8tool pull -q org/name --offline --exclude 'tok*'
# a blob without its link gets it
rm $repo/snapshots/$commit/config.json
accepts "" int8tool pull -q org/name --offline --exclude 'tok*'
[ "$(readlink $repo/snapshots/$commit/config.json)" = ../../blobs/$hello ] || fail "no link"

# --verify hashes
accepts "" int8tool pull -q org/name --offline --verify --exclude 'tok*'
printf 'hellO\n' >$repo/blobs/$sha256
accepts "" int8tool pull -q org/name --offline --exclude 'tok*'
refuses 1 "*1 of 2 files damaged*(sub/model.safetensors)*" \
    int8tool pull -q org/name --offline --verify --exclude 'tok*'
printf 'hello\n' >$repo/blobs/$sha256

# a cache that may only be read is as good
chmod -R a-w home
accepts "" int8tool pull -q org/name --offline --verify --exclude 'tok*'
chmod -R u+w home

# --cache-dir
accepts "" int8tool pull -q org/name --offline --exclude 'tok*' --cache-dir home/hub

# names in a listing that lead elsewhere
printf '{"format_version": 1, "files": {"../../x": {"size": 6, "blob_id": "%s"}}}' $hello \
    >$repo/trees/$commit.json
refuses 1 "*'../../x'*" int8tool pull org/name --offline
