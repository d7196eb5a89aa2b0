# SPDX-License-Identifier: Apache-2.0
# stdout that is full, closed or a broken pipe is noticed; nothing is coloured off a terminal;
# -q silences talk.
. "$CLI/expect.sh"
model=$data/tiny/llama

for args in "inspect $model" "inspect $model --json" "plan $model" "plan $model --json" \
    "generate $model --tokens ids.json --json" --help --version "convert --help"; do
    echo '[1, 2, 3]' >ids.json
    got=0
    # shellcheck disable=SC2086
    int8tool $args >/dev/full 2>err.txt || got=$?
    [ $got -eq 1 ] || fail "$args to a full disk gave $got"
    [ "$(wc -l <err.txt)" -eq 1 ] || fail "$args to a full disk: $(cat err.txt)"
    got=0
    # shellcheck disable=SC2086
    int8tool $args >&- 2>err.txt || got=$?
    [ $got -eq 1 ] || fail "$args to a closed stdout gave $got"
    # A reader that goes away ends it without a word of complaint beyond one line.
    # shellcheck disable=SC2086
    { int8tool $args 2>err.txt || true; } | head -c 1 >/dev/null
    [ "$(wc -l <err.txt)" -le 1 ] || fail "$args | head: $(cat err.txt)"
done

escape=$(printf '\033')
for args in "inspect $model" "plan $model" "plan $model --max-memory 0=1KiB" "convert nowhere" \
    --help "nonsense"; do
    # shellcheck disable=SC2086
    TERM=xterm-256color int8tool $args >all.txt 2>&1 || true
    ! grep -q "$escape" all.txt || fail "$args is coloured, or moves the cursor, in a pipe"
done

accepts "" int8tool convert -q "$model" -o out
[ -f out/int8tool.json ] || fail "-q convert wrote nothing"
