# SPDX-License-Identifier: Apache-2.0
# What cases share that look at many refusals or at files: a case that sources this fails as
# soon as one of these does.

data=${DATA:?}
tools=${CLI:?}/../tools
python=${PYTHON:-/usr/bin/python3}

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

# skip WHY: this machine cannot show it.
skip() {
    echo "$*"
    exit 77
}

need_python() {
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 9))' 2>/dev/null ||
        skip "needs python3 to make its input"
}

# need_zstd: this build compresses, and the zstd program is here to compare with.
need_zstd() {
    command -v zstd >/dev/null || skip "needs the zstd program"
    case $(int8tool convert --compress zstd "$data/tiny/llama" --dry-run 2>&1) in
    *"lacks zstd"*) skip "a build without zstd" ;;
    esac
}

# checkpoints KIND...: makes ./KIND, sound or with one fault (tests/tools/defects.py).
checkpoints() {
    need_python
    PYTHONDONTWRITEBYTECODE=1 "$python" "$tools/make_checkpoint.py" . "$@" || fail "no checkpoint"
}

# Names that begin with _ are these functions' own: sh has no local variables.

# refuses STATUS GLOB COMMAND...: that exit status, nothing on stdout, and exactly one line
# on stderr, an error that matches GLOB.
refuses() {
    _want=$1 _glob=$2
    shift 2
    _got=0
    "$@" >out.txt 2>err.txt || _got=$?
    [ "$_got" -eq "$_want" ] || fail "$* gave $_got, not $_want: $(cat err.txt)"
    [ ! -s out.txt ] || fail "$* wrote to stdout: $(head -c 300 out.txt)"
    [ "$(wc -l <err.txt)" -eq 1 ] || fail "$* must say one line, not: $(cat err.txt)"
    _line=$(cat err.txt)
    case $_line in
    "int8tool: error: "$_glob) ;;
    *) fail "$*: '$_line' does not match '$_glob'" ;;
    esac
    rm -f out.txt err.txt
}

# accepts GLOB COMMAND...: exit 0; what it says on stderr matches GLOB ("" for nothing).
# Its stdout is in out.txt.
accepts() {
    _glob=$1
    shift
    _got=0
    "$@" >out.txt 2>err.txt || _got=$?
    [ "$_got" -eq 0 ] || fail "$* gave $_got: $(cat err.txt)"
    case $(cat err.txt) in
    $_glob) ;;
    *) fail "$*: stderr '$(cat err.txt)' does not match '$_glob'" ;;
    esac
}

# answers SCHEMA STATUS COMMAND...: one JSON document on stdout, with the fields and types
# that the command promises, at that exit status.
answers() {
    _schema=$1 _want=$2
    shift 2
    need_python
    _got=0
    "$@" >out.json 2>err.txt || _got=$?
    [ "$_got" -eq "$_want" ] || fail "$* gave $_got, not $_want: $(cat err.txt)"
    PYTHONDONTWRITEBYTECODE=1 "$python" "$tools/check_json.py" "$_schema" out.json ||
        fail "$*: not what $_schema promises"
}

# nothing_final DIR: DIR holds no file but an unfinished conversion's own.
nothing_final() {
    [ ! -e "$1" ] && return
    left=$(find "$1" -type f ! -name '*.part' ! -name '.int8tool*' ! -name '*journal*')
    [ -z "$left" ] || fail "left under a final name: $left"
}

# json FILE EXPRESSION: evaluates a Python expression over the document d.
json() {
    "$python" -c 'import json, sys
d = json.load(open(sys.argv[1]))
print(eval(sys.argv[2]))' "$1" "$2"
}
