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
expect int8tool --generate pdf
expect int8tool devices --frobnicate
expect int8tool devices --frobnicate=3
expect int8tool devices --ve --json=1
expect int8tool devices -x
expect int8tool devices operand
expect int8tool devices "$(printf 'two\nlines')"
expect int8tool inspect
expect int8tool inspect one two
expect int8tool convert model --ra 1
expect int8tool convert model -o
expect int8tool convert model --output
expect int8tool convert model -o out --rounding sideways
expect int8tool plan model --dtype int9
expect int8tool plan model --batch many
expect int8tool plan model --batch -1
expect int8tool plan model --reserve '10 apples'
