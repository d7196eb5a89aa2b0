# Every mistake is one line on stderr and exit status 2, with nothing on stdout.
expect() {
    status=0
    "$@" || status=$?
    [ $status -eq 2 ] || echo "exit status $status: $*"
}
expect int8tool
expect int8tool frobnicate
expect int8tool --frobnicate
expect int8tool help frobnicate
expect int8tool help devices devices
expect int8tool devices --frobnicate
expect int8tool devices --frobnicate=3
expect int8tool devices --ve --json=1
expect int8tool devices -x
expect int8tool devices operand
expect int8tool devices "$(printf 'two\nlines')"
